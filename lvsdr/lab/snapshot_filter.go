//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// nftLines is nft's own listing without counters. None when the host has no nft.
func (h *Host) nftLines(ctx context.Context) ([]string, error) {
	if nftNotLoaded() {
		return nil, nil
	}
	out, err := h.Run(ctx, "nft", "-s", "list", "ruleset")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return textLines(out), err
}

// nftNotLoaded tells that the kernel has nftables as a module that nobody has
// loaded yet: there are no rules, and asking would load it.
func nftNotLoaded() bool {
	if _, err := os.Stat("/sys/module/nf_tables"); err == nil {
		return false
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	modules, err := os.ReadFile("/lib/modules/" + unix.ByteSliceToString(u.Release[:]) + "/modules.dep")
	return err == nil && bytes.Contains(modules, []byte("/nf_tables.ko"))
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
// no ip_vs loaded. An empty table is known without asking ipvsadm: a process is
// dear in a guest.
func (h *Host) ipvsLines(ctx context.Context) ([]string, error) {
	table, err := h.readThread("net/ip_vs")
	if err != nil || table == "" {
		return nil, err
	}
	timeouts, err := h.ipvsTimeouts(ctx)
	if err != nil {
		return nil, err
	}
	lines := []string{timeouts}
	if strings.Count(table, "\n") > ipvsHead {
		save, err := h.Run(ctx, "ipvsadm", "-S", "-n")
		if err != nil {
			return nil, err
		}
		lines = append(lines, textLines(save)...)
	}
	slices.Sort(lines) // the kernel lists in the order of its hash table
	return lines, nil
}

// ipvsHead is the number of lines of /proc/net/ip_vs without a service.
const ipvsHead = 3

func (h *Host) ipvsTimeouts(ctx context.Context) (string, error) {
	t, err := in(h, func() (ipvs.Timeouts, error) {
		c, err := ipvs.Open()
		if err != nil {
			return ipvs.Timeouts{}, err
		}
		defer c.Close()
		return c.Timeouts(ctx)
	})
	return fmt.Sprintf("timeouts tcp %v tcpfin %v udp %v", t.TCP, t.TCPFin, t.UDP), err
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
