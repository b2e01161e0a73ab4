package cluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// FromTable describes a table of IPVS, as a kernel has it or ipvsadm -S saved it. What
// a configuration cannot say is a remark on the service or real server it is about; a
// service of which nothing could serve is left out, with a remark.
func FromTable(table []ipvs.Entry, t ipvs.Timeouts) (Config, []Remark) {
	c := Config{Timeouts: Timeouts{Duration(t.TCP), Duration(t.TCPFin), Duration(t.UDP)}}
	var a adoption
	for _, e := range table {
		if s, ok := a.service(e); ok {
			c.Services = append(c.Services, s)
		}
	}
	return c.Merged(), a.remarks
}

// KernelTimeouts are those of a kernel that nobody told otherwise (tcp_timeouts in
// net/netfilter/ipvs/ip_vs_proto_tcp.c, udp_timeouts in ip_vs_proto_udp.c).
var KernelTimeouts = ipvs.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute}

// adoption collects the remarks.
type adoption struct{ remarks []Remark }

func (a *adoption) lost(object, format string, args ...any) {
	a.remarks = append(a.remarks, Remark{Object: object, Text: fmt.Sprintf(format, args...), Lost: true})
}

func (a *adoption) service(e ipvs.Entry) (Service, bool) {
	object := e.ID.String()
	switch {
	case e.FWMark != 0:
		a.lost(object, "a service by firewall mark is left out: lvsdr has services by VIP and port only")
		return Service{}, false
	case !slices.Contains(ipvs.Schedulers(), e.Scheduler):
		a.lost(object, "left out: the scheduler %s is none of Linux's: %s", shown(e.Scheduler), oneOf(ipvs.Schedulers()))
		return Service{}, false
	}
	s := Service{
		VIP: e.Addr, Ports: []Port{{e.Port, e.Protocol}}, Scheduler: e.Scheduler,
		OnePacket: e.Flags&ipvs.OnePacket != 0, Persistence: Duration(e.Persistence),
	}
	a.options(&s, e)
	for _, d := range e.Destinations {
		if r, ok := a.server(e.ID, d); ok {
			s.RealServers = append(s.RealServers, r)
		}
	}
	if len(s.RealServers) == 0 {
		a.lost(object, "left out: no real server is left for it")
		return Service{}, false
	}
	return s, true
}

// options takes the flags, the netmask and the persistence engine.
func (a *adoption) options(s *Service, e ipvs.Entry) {
	object := e.ID.String()
	for _, name := range e.Flags.Of(e.Scheduler) {
		if _, bit := ipvs.SchedulerFlag(name); bit == 0 {
			a.lost(object, "the flag %s means nothing to the scheduler %s and is left out", name, e.Scheduler)
			continue
		}
		s.SchedulerFlags = append(s.SchedulerFlags, name)
	}
	if e.PE != "" {
		a.lost(object, "the persistence engine %s is left out: clients are known by their address", shown(e.PE))
	}
	if s.OnePacket && e.Protocol != UDP {
		a.lost(object, "one-packet scheduling is left out: only UDP has it")
		s.OnePacket = false
	}
	switch {
	case s.Persistence == 0:
	case e.Netmask == 0:
		a.lost(object, "its persistence has a netmask that is no prefix length from 1: every client is one of its own instead")
	case e.Netmask != e.Addr.BitLen():
		s.PersistenceNetmask = e.Netmask
	}
}

// methods are the names of the forwarding methods that lvsdr does not set up.
var methods = map[ipvs.Forwarding]string{
	ipvs.Masquerade: "NAT", ipvs.Tunnel: "tunnelling", ipvs.LocalNode: "the director itself", ipvs.Bypass: "bypass",
}

func (a *adoption) server(id ipvs.ID, d ipvs.Destination) (RealServer, bool) {
	object := ipvs.ServerName(id, d)
	method := methods[d.Forwarding]
	switch {
	case d.Forwarding == ipvs.LocalNode || d.Forwarding == ipvs.Bypass:
		a.lost(object, "left out: the forwarding method is %s, and lvsdr sets up direct routing (DR)", method)
		return RealServer{}, false
	case d.Addr.IsLoopback(), d.Addr == id.Addr:
		a.lost(object, "left out: it is the director itself, which with lvsdr is no real server")
		return RealServer{}, false
	case d.Addr.Is4() != id.Addr.Is4():
		a.lost(object, "left out: it is of another address family than its VIP, and direct routing rewrites no addresses")
		return RealServer{}, false
	case method == "" && d.Port != id.Port:
		a.lost(object, "its port %d is left out: direct routing rewrites no ports, the packets keep port %d", d.Port, id.Port)
	case method != "" && d.Port != id.Port:
		a.lost(object, "left out: it is reached by %s on port %d, and direct routing rewrites no ports: it must listen on port %d",
			method, d.Port, id.Port)
		return RealServer{}, false
	case method != "":
		a.lost(object, "it is reached by %s and will be by direct routing (DR): it needs a place on the director's LAN and lvsdr setup realserver", method)
	}
	r := RealServer{Address: d.Addr, UpperThreshold: d.UpperThreshold, LowerThreshold: d.LowerThreshold}
	if d.Weight != 1 {
		weight := int(d.Weight)
		r.Weight = &weight
	}
	if r.LowerThreshold > r.UpperThreshold {
		a.lost(object, "its lower threshold %d is left out: it is above the upper one, %d", r.LowerThreshold, r.UpperThreshold)
		r.LowerThreshold = 0
	}
	return r, true
}
