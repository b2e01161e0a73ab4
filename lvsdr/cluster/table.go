package cluster

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// VirtualServices spells the configuration out: one virtual service for each VIP
// and port, in the configuration's order, with every default filled in and each
// real server as a destination on the same port, reached by direct routing.
func (c Config) VirtualServices() []ipvs.Entry {
	servers := 0
	for _, s := range c.Services {
		servers += len(s.AllPorts()) * len(s.RealServers)
	}
	all := make([]ipvs.Entry, 0, c.ports())
	room := make([]ipvs.Destination, servers)
	for i := range c.Services {
		s := &c.Services[i]
		for _, port := range s.AllPorts() {
			e := ipvs.Entry{Service: s.at(port)}
			if k := len(s.RealServers); k > 0 {
				e.Destinations, room = room[:k:k], room[k:]
				s.destinations(port, e.Destinations)
			}
			all = append(all, e)
		}
	}
	return all
}

// ports is how many ports all services have.
func (c Config) ports() (n int) {
	for i := range c.Services {
		n += len(c.Services[i].AllPorts())
	}
	return n
}

// at is the service at one of its ports.
func (s *Service) at(port Port) ipvs.Service {
	v := ipvs.Service{
		ID:          ipvs.ID{Addr: s.VIP, Port: port.Number, Protocol: port.Protocol},
		Scheduler:   s.scheduler(),
		Flags:       s.flags(),
		Persistence: time.Duration(s.Persistence),
		Netmask:     s.PersistenceNetmask,
	}
	if v.Netmask == 0 {
		// The kernel takes an IPv4 netmask of 0 for "all clients are one", and
		// refuses the IPv6 prefix length 0.
		v.Netmask = s.VIP.BitLen()
	}
	return v
}

// destinations fills in the service's real servers at one of its ports.
func (s *Service) destinations(port Port, all []ipvs.Destination) {
	for i := range s.RealServers {
		r, d := &s.RealServers[i], &all[i]
		d.Addr, d.Port = r.Address, port.Number
		d.Forwarding, d.Weight = ipvs.DirectRoute, int32(r.share())
		d.UpperThreshold, d.LowerThreshold = r.UpperThreshold, r.LowerThreshold
	}
}

// AllPorts are the service's ports with every default filled in: port 80 where none
// is given, TCP where a port has no protocol.
func (s Service) AllPorts() []Port {
	if len(s.Ports) == 0 {
		return []Port{{Number: 80, Protocol: TCP}}
	}
	if !slices.ContainsFunc(s.Ports, func(p Port) bool { return p.Protocol == 0 }) {
		return s.Ports
	}
	ports := slices.Clone(s.Ports)
	for i := range ports {
		ports[i].Protocol = cmp.Or(ports[i].Protocol, TCP)
	}
	return ports
}

func (s Service) scheduler() string {
	if s.Scheduler == "" {
		return DefaultScheduler
	}
	return s.Scheduler
}

func (s Service) flags() ipvs.Flags {
	var f ipvs.Flags
	if s.Persistence > 0 {
		f |= ipvs.Persistent
	}
	if s.OnePacket {
		f |= ipvs.OnePacket
	}
	for _, name := range s.SchedulerFlags {
		_, bit := ipvs.SchedulerFlag(name)
		f |= bit
	}
	idles := s.Inhibit || slices.ContainsFunc(s.RealServers, func(r RealServer) bool { return r.share() == 0 })
	if HashScheduler(s.scheduler()) && idles {
		f |= ipvs.Sched1 // -fallback: else its clients are refused
	}
	return f
}

// share is the weight that counts.
func (r *RealServer) share() int {
	if r.Drained {
		return 0
	}
	return r.weight()
}

func (r *RealServer) weight() int {
	if r.Weight == nil {
		return 1
	}
	return *r.Weight
}

// VIPs returns every VIP once, in the configuration's order.
func (c Config) VIPs() []netip.Addr {
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, s := range c.Services {
		if !seen[s.VIP] {
			seen[s.VIP] = true
			all = append(all, s.VIP)
		}
	}
	return all
}

// InterfaceOf is the LAN interface that somebody named for a VIP on a director, empty
// when nobody did.
func (c Config) InterfaceOf(vip netip.Addr) string {
	for _, s := range c.Services {
		if s.VIP == vip && s.Interface != "" {
			return s.Interface
		}
	}
	return c.Interface
}

// interfaces are those of services.
func (c Config) interfaces() map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for _, s := range c.Services {
		if s.Interface != "" {
			all[s.VIP] = s.Interface
		}
	}
	return all
}

// Schedulers returns the names of the schedulers in use, sorted, each once.
func (c Config) Schedulers() []string {
	seen := map[string]bool{}
	for _, s := range c.Services {
		seen[s.scheduler()] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// DrainTime is how long a removed real server may keep its connections.
func (c Config) DrainTime() time.Duration {
	if c.Drain == nil {
		return DefaultDrain
	}
	return time.Duration(*c.Drain)
}

// Equal tells whether two configurations mean the same, one with its defaults
// written out and the other without, or in another order.
func (c Config) Equal(other Config) bool {
	return c.Interface == other.Interface && maps.Equal(c.interfaces(), other.interfaces()) && c.Timeouts == other.Timeouts && c.Tuning == other.Tuning && c.DrainTime() == other.DrainTime() &&
		cmp.Or(c.Firewall, firewallNames[0]) == cmp.Or(other.Firewall, firewallNames[0]) &&
		c.sameEngine(other) && c.sameNotify(other) && c.sameSync(other) && c.sameVRRP(other) &&
		slices.EqualFunc(c.Directors, other.Directors, sameDirector) && reflect.DeepEqual(c.sorted(), other.sorted())
}

func sameDirector(a, b Director) bool { return a.Address == b.Address && a.priority() == b.priority() }

// sorted is virtualServices in an order that does not depend on the configuration's.
func (c Config) sorted() []ipvs.Entry {
	all := c.VirtualServices()
	slices.SortFunc(all, func(a, b ipvs.Entry) int { return a.ID.Compare(b.ID) })
	for _, v := range all {
		slices.SortFunc(v.Destinations, func(a, b ipvs.Destination) int { return a.Addr.Compare(b.Addr) })
	}
	return all
}

// RIPs returns the addresses of the real servers, each once.
func (c Config) RIPs() []netip.Addr {
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, service := range c.Services {
		for _, rs := range service.RealServers {
			if !seen[rs.Address] {
				seen[rs.Address] = true
				all = append(all, rs.Address)
			}
		}
	}
	return all
}
