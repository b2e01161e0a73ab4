package lvsdrtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

type service struct {
	ipvs.Service
	destinations []ipvs.Destination
}

type timeouts = ipvs.Timeouts

// defaultTimeouts are the kernel's (ipvsadm -L --timeout).
var defaultTimeouts = ipvs.Timeouts{TCP: 900 * time.Second, TCPFin: 120 * time.Second, UDP: 300 * time.Second}

// errNoService is the kernel's ESRCH for a service that is not there.
var errNoService = &ipvs.Error{Errno: syscall.ESRCH}

func (s table) Services(context.Context, ipvs.Detail) ([]ipvs.Service, error) {
	var all []ipvs.Service
	for _, svc := range s.services {
		all = append(all, svc.Service)
	}
	return all, nil
}

func (s table) Destinations(_ context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	if !s.loaded("ip_vs") {
		return nil, nil
	}
	svc := s.findService(id)
	if svc == nil {
		return nil, errNoService
	}
	all := slices.Clone(svc.destinations)
	for i := range all {
		if detail == ipvs.Plain {
			all[i].Stats = nil
		}
	}
	return all, nil
}

// sameID compares as the kernel does: of a firewall mark only the family counts.
func sameID(a, b ipvs.ID) bool {
	if a.FWMark != 0 || b.FWMark != 0 {
		return a.FWMark == b.FWMark && a.Addr.Is6() == b.Addr.Is6()
	}
	return a == b
}

func (s *state) findService(id ipvs.ID) *service {
	for i := range s.services {
		if sameID(s.services[i].ID, id) {
			return &s.services[i]
		}
	}
	return nil
}

func (s table) Timeouts(context.Context) (ipvs.Timeouts, error) {
	if !s.loaded("ip_vs") {
		return ipvs.Timeouts{}, nil
	}
	return s.timeouts, nil
}

func (s *state) setIPVSTimeouts(t ipvs.Timeouts) error {
	if !s.loaded("ip_vs") {
		return host.ErrNoIPVS
	}
	for _, d := range []struct{ to, from *time.Duration }{
		{&s.timeouts.TCP, &t.TCP}, {&s.timeouts.TCPFin, &t.TCPFin}, {&s.timeouts.UDP, &t.UDP},
	} {
		if *d.from < 0 {
			return fmt.Errorf("timeouts %s: %w", timeoutsText(t), syscall.EINVAL)
		}
		if *d.from >= time.Second {
			*d.to = d.from.Truncate(time.Second)
		}
	}
	return nil
}

func (s *state) applyIPVS(commands []ipvs.Command) (int, error) {
	if !s.loaded("ip_vs") {
		return 0, host.ErrNoIPVS
	}
	first, refused := len(commands), error(nil)
	for i, c := range commands {
		if err := s.ipvsCommand(c); err != nil && refused == nil {
			first, refused = i, &ipvs.CommandError{Index: i, Command: c, Err: err}
		}
	}
	return first, refused
}

func (s *state) ipvsCommand(c ipvs.Command) error {
	switch c.Op {
	case ipvs.AddService:
		return s.addService(asWritten(*c.Service))
	case ipvs.SetService:
		return s.setService(asWritten(*c.Service))
	}
	svc := s.findService(c.Service.ID)
	if svc == nil {
		return errNoService
	}
	switch c.Op {
	case ipvs.RemoveService:
		s.services = slices.DeleteFunc(s.services, func(x service) bool { return sameID(x.ID, svc.ID) })
		return nil
	case ipvs.AddDestination:
		return s.addDestination(svc, *c.Destination)
	case ipvs.SetDestination:
		return s.setDestination(svc, *c.Destination)
	case ipvs.RemoveDestination:
		return svc.removeDestination(*c.Destination)
	}
	return syscall.EOPNOTSUPP
}

// asWritten fills in what the client of the kernel does (see [ipvs.Service]).
func asWritten(svc ipvs.Service) ipvs.Service {
	if svc.Persistence > 0 {
		svc.Flags |= ipvs.Persistent
	}
	if svc.Netmask == 0 {
		svc.Netmask = svc.Addr.BitLen()
	}
	return svc
}

// checkService holds what ip_vs_add_service and ip_vs_edit_service refuse. The
// kernel would load the scheduler's module by itself; the World refuses, because
// that load can deadlock the kernel against a network namespace that goes away.
func (s *state) checkService(svc ipvs.Service) error {
	scheduler := "ip_vs_" + svc.Scheduler
	if !s.loaded(scheduler) {
		return fmt.Errorf("scheduler module %s is not loaded: %w", scheduler, syscall.ENOENT)
	}
	if svc.PE != "" && !s.loaded("ip_vs_pe_"+svc.PE) {
		return fmt.Errorf("persistence engine %s: %w", svc.PE, syscall.ENOENT)
	}
	if svc.Addr.Is6() && (svc.Netmask < 1 || svc.Netmask > 128) || svc.Netmask < 0 || !svc.Addr.Is6() && svc.Netmask > 32 {
		return fmt.Errorf("netmask %d: %w", svc.Netmask, syscall.EINVAL)
	}
	if svc.FWMark == 0 && !slices.Contains([]ipvs.Protocol{ipvs.TCP, ipvs.UDP, ipvs.SCTP}, svc.Protocol) {
		return fmt.Errorf("protocol %s: %w", svc.Protocol, syscall.EPROTONOSUPPORT)
	}
	return nil
}

func (s *state) addService(svc ipvs.Service) error {
	if s.findService(svc.ID) != nil {
		return syscall.EEXIST
	}
	if err := s.checkService(svc); err != nil {
		return err
	}
	s.services = append(s.services, service{Service: asKept(svc)})
	return nil
}

func (s *state) setService(svc ipvs.Service) error {
	there := s.findService(svc.ID)
	if there == nil {
		return errNoService
	}
	if err := s.checkService(svc); err != nil {
		return err
	}
	there.Service = asKept(svc)
	return nil
}

// asKept is a service as it is read back.
func asKept(svc ipvs.Service) ipvs.Service {
	svc.Persistence = svc.Persistence.Truncate(time.Second)
	svc.Stats = nil
	return svc
}

// checkDestination holds what ip_vs_genl_set_cmd, ip_vs_add_dest and
// ip_vs_edit_dest refuse (measured on 6.1).
func (s *state) checkDestination(svc *service, d ipvs.Destination) error {
	switch {
	case d.Addr.Is6() != svc.Addr.Is6() && d.Forwarding != ipvs.Tunnel:
		return fmt.Errorf("%s in a service of the other address family: %w", d.Addr, syscall.EINVAL)
	case d.Weight < 0:
		return fmt.Errorf("weight %d: %w", d.Weight, syscall.ERANGE)
	case d.LowerThreshold > d.UpperThreshold:
		return fmt.Errorf("lower threshold %d above the upper one, %d: %w", d.LowerThreshold, d.UpperThreshold, syscall.ERANGE)
	case d.Addr.IsMulticast() || d.Addr.IsUnspecified() || s.isBroadcast(d.Addr):
		return fmt.Errorf("%s is not unicast: %w", d.Addr, syscall.EINVAL)
	case !s.up("lo"):
		return fmt.Errorf("lo was never up: %w", syscall.EINVAL)
	}
	return nil
}

// isBroadcast tells whether addr is the last of a subnet on an interface.
func (s *state) isBroadcast(addr netip.Addr) bool {
	if !addr.Is4() {
		return false
	}
	return slices.ContainsFunc(s.addresses, func(a host.Address) bool {
		return a.Prefix.Bits() < 31 && a.Prefix.Contains(addr) && !a.Prefix.Contains(addr.Next()) && !s.link(a.Link).Loopback
	})
}

func (svc *service) find(d ipvs.Destination) int {
	return slices.IndexFunc(svc.destinations, func(x ipvs.Destination) bool { return x.Addr == d.Addr && x.Port == d.Port })
}

func (s *state) addDestination(svc *service, d ipvs.Destination) error {
	if err := s.checkDestination(svc, d); err != nil {
		return err
	}
	if svc.find(d) >= 0 {
		return syscall.EEXIST
	}
	svc.destinations = append(svc.destinations, s.destinationAsKept(d, ipvs.Destination{}))
	return nil
}

func (s *state) setDestination(svc *service, d ipvs.Destination) error {
	if err := s.checkDestination(svc, d); err != nil {
		return err
	}
	at := svc.find(d)
	if at < 0 {
		return syscall.ENOENT
	}
	svc.destinations[at] = s.destinationAsKept(d, svc.destinations[at])
	return nil
}

// destinationAsKept is a destination as it is read back: an address of the host
// itself is LocalNode, and the counters are the kernel's.
func (s *state) destinationAsKept(d, before ipvs.Destination) ipvs.Destination {
	local := slices.ContainsFunc(s.addresses, func(a host.Address) bool { return s.isLocal(a, d.Addr) })
	if local && d.Forwarding != ipvs.Masquerade {
		d.Forwarding = ipvs.LocalNode
	}
	d.Active, d.Inactive, d.Persistent, d.Stats = before.Active, before.Inactive, before.Persistent, before.Stats
	return d
}

func (svc *service) removeDestination(d ipvs.Destination) error {
	at := svc.find(d)
	if at < 0 {
		return syscall.ENOENT
	}
	svc.destinations = slices.Delete(svc.destinations, at, at+1)
	return nil
}

// Connect sets the number of established connections that a real server of the
// table has; it tells whether there is that real server.
func (w *World) Connect(id ipvs.ID, realServer netip.AddrPort, active uint32) bool {
	found := false
	_ = w.do(func(s *state) error {
		if svc := s.findService(id); svc != nil {
			if at := svc.find(ipvs.Destination{Addr: realServer.Addr(), Port: realServer.Port()}); at >= 0 {
				svc.destinations[at].Active, found = active, true
			}
		}
		return nil
	})
	return found
}
