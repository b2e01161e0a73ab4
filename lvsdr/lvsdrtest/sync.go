package lvsdrtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// syncDaemons is the kernel's connection synchronisation in a world.
type syncDaemons struct{ *state }

func (s syncDaemons) Daemons(context.Context) ([]ipvs.Daemon, error) {
	return slices.Clone(s.daemons), nil
}

func (s syncDaemons) StartDaemon(_ context.Context, d ipvs.Daemon) error { return s.startDaemon(d) }

func (s syncDaemons) StopDaemon(_ context.Context, state ipvs.DaemonState) error {
	return s.stopDaemon(state)
}

// startDaemon fills in what the kernel does, and asks of the interface what it does
// (start_sync_thread in net/netfilter/ipvs/ip_vs_sync.c).
func (s *state) startDaemon(d ipvs.Daemon) error {
	at := slices.IndexFunc(s.links, func(l host.Link) bool { return l.Name == d.Interface })
	switch {
	case !s.loaded("ip_vs"):
		return host.ErrNoIPVS
	case slices.ContainsFunc(s.daemons, func(x ipvs.Daemon) bool { return x.State == d.State }):
		return &ipvs.Error{Errno: syscall.EEXIST}
	case at < 0:
		return &ipvs.Error{Errno: syscall.ENODEV}
	}
	d.MaxLen = uint16(s.links[at].MTU - 28)
	if !d.Group.IsValid() {
		d.Group = netip.MustParseAddr("224.0.0.81")
	}
	if d.Port == 0 {
		d.Port = 8848
	}
	d.TTL = max(d.TTL, 1)
	s.daemons = append(s.daemons, d)
	slices.SortFunc(s.daemons, func(a, b ipvs.Daemon) int { return int(a.State) - int(b.State) })
	return nil
}

func (s *state) stopDaemon(state ipvs.DaemonState) error {
	n := len(s.daemons)
	s.daemons = slices.DeleteFunc(s.daemons, func(d ipvs.Daemon) bool { return d.State == state })
	if len(s.daemons) == n {
		return &ipvs.Error{Errno: syscall.ESRCH}
	}
	return nil
}

// runDaemon is ipvsadm --start-daemon and --stop-daemon, as [ipvs.Daemon.Ipvsadm] writes
// the first.
func (s *state) runDaemon(words []string) error {
	states := map[string]ipvs.DaemonState{"master": ipvs.MasterDaemon, "backup": ipvs.BackupDaemon}
	if len(words) < 2 || len(words)%2 != 0 || states[words[1]] == 0 {
		return errUsage
	}
	d := ipvs.Daemon{State: states[words[1]]}
	if words[0] == "--stop-daemon" {
		return s.stopDaemon(d.State)
	}
	for i := 2; i < len(words); i += 2 {
		value := words[i+1]
		n, _ := strconv.Atoi(value)
		switch words[i] {
		case "--mcast-interface":
			d.Interface = value
		case "--syncid":
			d.ID = uint8(n)
		case "--mcast-port":
			d.Port = uint16(n)
		case "--mcast-group":
			group, err := netip.ParseAddr(value)
			if err != nil {
				return err
			}
			d.Group = group
		default:
			return fmt.Errorf("%s: %w", words[i], errUsage)
		}
	}
	return s.startDaemon(d)
}

func (s *state) dumpDaemons() []string {
	var lines []string
	for _, d := range s.daemons {
		lines = append(lines, d.Ipvsadm())
	}
	return lines
}
