package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// keepalivedFolder is where lvsdr's keepalived writes what it is asked to tell, by the
// TMPDIR that it is started with.
const (
	keepalivedFolder = "/run/lvsdr"
	keepalivedTells  = keepalivedFolder + "/keepalived_check.data"
)

// Held asks the process of the checks by SIGUSR1, on which it writes its state to a file
// (keepalived(8); dump_data_check in keepalived/check/check_print.c).
func (k keepalived) Held(ctx context.Context) ([]host.HeldServer, error) {
	pid, err := runningPID(k.child, k.conf)
	if err != nil || pid == 0 {
		return nil, err
	}
	if err := os.Remove(keepalivedTells); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		return nil, os.NewSyscallError("kill", err)
	}
	defer os.Remove(keepalivedTells)
	ctx, cancel := context.WithTimeout(ctx, keepalivedPatience)
	defer cancel()
	var text []byte
	err = until(ctx, fmt.Sprintf("keepalived (pid %d) does not tell its state", pid), func() (bool, error) {
		text, err = os.ReadFile(keepalivedTells)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return bytes.Contains(text, []byte(endOfServers)), err
	})
	if err != nil {
		return nil, err
	}
	return heldIn(string(text)), nil
}

// endOfServers is the headline of what comes after the services.
const endOfServers = "< Health checkers >"

var (
	heldVIP = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^ VS VIP = (\S+), VPORT = (\d+)$`) })
	heldRIP = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^   RIP = (\S+), RPORT = (\d+),`) })
)

// heldIn reads the state: the lines of a service, among them its protocol, and then those
// of each of its real servers.
func heldIn(text string) (held []host.HeldServer) {
	text, _, _ = strings.Cut(text, endOfServers)
	var of ipvs.ID
	var server netip.AddrPort
	var quorum, inhibits, alive bool
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := heldVIP().FindStringSubmatch(line); m != nil {
			vip := addrPort(m)
			of, server = ipvs.ID{Addr: vip.Addr(), Port: vip.Port()}, netip.AddrPort{}
		} else if m := heldRIP().FindStringSubmatch(line); m != nil {
			server, inhibits, alive = addrPort(m), false, true
		} else if name, ok := strings.CutPrefix(line, "   protocol = "); ok {
			of.Protocol = protocolNamed[name]
		} else if line == "   RS set = 1" && server.IsValid() {
			held = append(held, host.HeldServer{Service: of, Server: server, Inhibited: inhibits && !(alive && quorum)})
		} else if value, ok := strings.CutPrefix(line, "   quorum_state_up = "); ok {
			quorum = value != "0"
		} else if line == "   Inhibit on failure is ON" {
			inhibits = true
		} else if value, ok := strings.CutPrefix(line, "   alive = "); ok {
			alive = value != "0"
		}
	}
	return held
}

var protocolNamed = map[string]ipvs.Protocol{"TCP": ipvs.TCP, "UDP": ipvs.UDP, "SCTP": ipvs.SCTP}

// addrPort is not valid where the words are none.
func addrPort(words []string) netip.AddrPort {
	a, _ := netip.ParseAddrPort("[" + words[1] + "]:" + words[2])
	if v4, err := netip.ParseAddr(words[1]); err == nil && v4.Is4() {
		a, _ = netip.ParseAddrPort(words[1] + ":" + words[2])
	}
	return a
}

// telling has a program write what it is asked to tell to lvsdr's own folder.
func telling(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), "TMPDIR="+keepalivedFolder) }
