//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nftLines is nft's own listing without counters. None where the kernel has no
// nftables for IP, or the machine no nft.
func (h *Host) nftLines(ctx context.Context) ([]string, error) {
	if NFT.Missing() != nil {
		return nil, nil
	}
	out, err := h.Run(ctx, "nft", "-s", "list", "ruleset")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return textLines(out), err
}

// iptablesLines are the rules, chains and policies of the legacy iptables. Those
// of iptables-nft are nftables'.
func (h *Host) iptablesLines(ctx context.Context) (lines []string, err error) {
	for _, name := range []string{"ip", "ip6"} {
		used, err := h.readThread("net/" + name + "_tables_names")
		if err != nil {
			return nil, err
		}
		if used == "" {
			continue
		}
		out, err := h.Run(ctx, name+"tables-legacy-save")
		if err != nil {
			return nil, err
		}
		for _, l := range filterRules(out) {
			lines = append(lines, name+"tables "+l)
		}
	}
	return lines, nil
}

// filterRules takes from iptables-save what somebody made: a table that was only
// looked at has its chains, empty and accepting.
func filterRules(save string) (rules []string) {
	table := ""
	for _, l := range textLines(save) {
		chain, _, _ := strings.Cut(l, " [") // less the counters
		switch {
		case strings.HasPrefix(l, "#"), l == "COMMIT", strings.HasSuffix(chain, " ACCEPT") && l[0] == ':':
		case l[0] == '*':
			table = l[1:]
		default:
			rules = append(rules, table+" "+chain)
		}
	}
	return rules
}

// ipvsLines are ipvsadm's own listing and the timeouts, none where the kernel has
// no ip_vs loaded.
func (h *Host) ipvsLines(ctx context.Context) ([]string, error) {
	table, err := h.readThread("net/ip_vs")
	if err != nil || table == "" {
		return nil, err
	}
	var lines []string
	err = h.Do(func() error {
		timeouts, err := ipvsTimeouts()
		lines = append(lines, timeouts)
		return err
	})
	if err != nil || len(textLines(table)) <= 3 { // the heading
		return lines, err
	}
	save, err := h.Run(ctx, "ipvsadm", "-S", "-n")
	lines = append(lines, textLines(save)...)
	slices.Sort(lines) // the kernel lists in the order of its hash table
	return lines, err
}

// ipvsTimeouts asks as ipvsadm -L --timeout does where it has no netlink.
func ipvsTimeouts() (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	const getTimeout = 64 + 1024 + 64 + 6 // IP_VS_SO_GET_TIMEOUT, include/uapi/linux/ip_vs.h
	var seconds [3]int32                  // struct ip_vs_timeout_user: tcp, tcp_fin, udp
	size := uint32(unsafe.Sizeof(seconds))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, getTimeout,
		uintptr(unsafe.Pointer(&seconds)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return "", fmt.Errorf("asking for the timeouts: %w", errno)
	}
	return fmt.Sprintf("timeouts tcp %d tcpfin %d udp %d", seconds[0], seconds[1], seconds[2]), nil
}

// readThread reads a file of /proc/thread-self on the host; none is empty.
func (h *Host) readThread(name string) (text string, err error) {
	err = h.Do(func() error {
		data, err := os.ReadFile("/proc/thread-self/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		text = string(data)
		return err
	})
	return text, err
}

func textLines(s string) (lines []string) {
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimRight(l, " \t"); l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}
