package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A story is the demonstration as it goes on.
type story struct {
	ctx    context.Context
	lab    *lab.Lab
	before map[*lab.Host]lab.Snapshot
}

const path = `
   client                                dev-1, the director
   10.10.10.100 ──1 request to the VIP──▶ 10.10.10.30    VIP 10.10.10.22 on eth0:0
        ▲                                     │
        │                                     2 the same packet put back on the LAN:
        │                                     │ only its MAC address is another
        │                                     ▼
        └──────3 answer from the VIP──── dev-2, dev-3, the real servers
                                         10.10.10.31, 10.10.10.32
                                         VIP 10.10.10.22 on lo:0, silent in ARP
`

// tell shows a cluster come, work, change and go.
func tell(ctx context.Context, l *lab.Lab, inGuest bool) error {
	s := &story{ctx: ctx, lab: l, before: map[*lab.Host]lab.Snapshot{}}
	fmt.Printf("Four hosts on one LAN, each a network of its own on Linux %s%s.\n%s", release(), where(inGuest), path)
	for _, part := range []func() error{
		s.prepare, s.realServers, s.director, s.requests, s.doctor, s.again, s.persistence, s.teardown,
	} {
		if err := part(); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "?"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func where(inGuest bool) string {
	if inGuest {
		return "\n(User-Mode Linux: a kernel with IPVS as a process, since the running one has none)"
	}
	return ""
}

func chapter(title string) { fmt.Printf("\n── %s ──\n", title) }

// run runs a command on a host and shows it with all it says.
func (s *story) run(h *lab.Host, line string) error {
	_, err := show(s.ctx, h, line)
	if err != nil {
		return fmt.Errorf("on %s: %s: %w", h.Name, line, err)
	}
	return nil
}

// show runs a command on a host, shows it, and returns what it said.
func show(ctx context.Context, h *lab.Host, line string) (string, error) {
	command(h.Name, line)
	args := strings.Fields(line)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := h.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	for _, l := range strings.Split(strings.TrimRight(out.String(), "\n"), "\n") {
		fmt.Println(strings.TrimRight("  "+l, " "))
	}
	return out.String(), err
}

// command shows what is typed on a host.
func command(host, line string) { fmt.Printf("\n%s# %s\n", host, line) }

func (s *story) runAll(h *lab.Host, lines ...string) error {
	for _, l := range lines {
		if err := s.run(h, l); err != nil {
			return err
		}
	}
	return nil
}

// cluster is the hosts that lvsdr sets up.
func (s *story) cluster() []*lab.Host {
	return append([]*lab.Host{s.lab.Director}, s.lab.RealServers...)
}
