package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// prepare finds out where everybody should be. It reads the neighbour table first:
// every answer changes it.
func (e *Exam) prepare(ctx context.Context) (*survey, error) {
	before, err := e.Neighbours(ctx)
	if err != nil {
		return nil, err
	}
	entries := entriesOf(before)
	s := &survey{client: e.Role == cluster.ClientRole}
	known := map[netip.Addr]bool{}
	for _, vip := range e.Config.VIPs() {
		v, err := e.prepareVIP(ctx, vip)
		if err != nil {
			return nil, err
		}
		v.before = entries[spot{vip, v.link.Name}]
		s.vips = append(s.vips, v)
		for _, rip := range e.RealServers(vip) {
			if known[rip] {
				continue
			}
			known[rip] = true
			r, err := e.prepareServer(ctx, rip)
			if err != nil {
				return nil, err
			}
			r.before = entries[spot{rip, r.link.Name}]
			s.servers = append(s.servers, r)
		}
	}
	s.plan(e.Config)
	return s, nil
}

// A spot is an IP address on the LAN of an interface.
type spot struct {
	addr netip.Addr
	link string
}

// entriesOf are the entries of the neighbour table, the first of each spot.
func entriesOf(all []host.Neighbour) map[spot]*host.Neighbour {
	entries := make(map[spot]*host.Neighbour, len(all))
	for i, n := range all {
		if at := (spot{n.Addr, n.Link}); entries[at] == nil {
			entries[at] = &all[i]
		}
	}
	return entries
}

func (e *Exam) prepareVIP(ctx context.Context, vip netip.Addr) (*vipSeen, error) {
	v := &vipSeen{addr: vip}
	at, err := e.AddressesOf(ctx, vip)
	if err != nil {
		return nil, err
	}
	v.mine = len(at) > 0
	if v.link, v.err = e.LAN(ctx, vip); v.err == nil && e.Role != cluster.DirectorRole && !v.mine {
		// A client beyond a gateway has a LAN, but not this one.
		r, err := e.Host.Routes.To(ctx, vip)
		if err != nil || r.Gateway.IsValid() {
			v.err, v.gateway = ErrNoLAN, r.Gateway
		}
	}
	for _, a := range at { // a director with two NICs carries it on one, and has the real servers on the other
		l, ok, err := e.Link(ctx, a.Link)
		if err != nil {
			return nil, err
		}
		if ok && !l.Loopback && !l.NoARP && l.Kind != "dummy" {
			v.link, v.err = l, nil
		}
	}
	if v.err != nil && !v.gateway.IsValid() {
		return v, nil
	}
	v.source, err = e.ownAddress(ctx, v.link.Name, cmp.Or(v.gateway, vip))
	return v, err
}

func (e *Exam) prepareServer(ctx context.Context, rip netip.Addr) (*serverSeen, error) {
	r := &serverSeen{rip: rip}
	if r.route, r.err = e.Route(ctx, rip); r.err != nil {
		if errors.Is(r.err, fs.ErrNotExist) {
			return r, nil
		}
		return nil, r.err
	}
	l, _, err := e.Link(ctx, r.route.Link)
	if err != nil {
		return nil, err
	}
	r.link = l
	r.source, err = e.ownAddress(ctx, l.Name, rip)
	return r, err
}

// ownAddress is an address of this host on an interface, one in a subnet with near
// where there is one, but no VIP: a real server takes a VIP for its own address.
func (e *Exam) ownAddress(ctx context.Context, link string, near netip.Addr) (netip.Addr, error) {
	on, err := e.onLink(ctx, link)
	best := host.Address{}
	better := func(a host.Address) bool {
		switch {
		case !best.Prefix.IsValid():
			return true
		case a.Prefix.Contains(near) != best.Prefix.Contains(near):
			return a.Prefix.Contains(near)
		}
		return best.Prefix.Addr().IsLinkLocalUnicast() && !a.Prefix.Addr().IsLinkLocalUnicast()
	}
	for _, a := range on.own {
		if a.Prefix.Addr().Is4() == near.Is4() && better(a) {
			best = a
		}
	}
	return best.Prefix.Addr(), err
}

// vipsInTurn are the virtual services, those first that are the first of their VIP:
// where not all can be tried, each VIP has its turn.
func vipsInTurn(c cluster.Config) []ipvs.Entry {
	seen := map[netip.Addr]bool{}
	var first, others []ipvs.Entry
	for _, v := range c.VirtualServices() {
		if seen[v.Addr] {
			others = append(others, v)
		} else {
			first = append(first, v)
		}
		seen[v.Addr] = true
	}
	return append(first, others...)
}

// plan lists the paths to try. A real server of weight 0 gets no new connections.
func (s *survey) plan(c cluster.Config) {
	servers := make(map[netip.Addr]*serverSeen, len(s.servers))
	for _, r := range s.servers {
		servers[r.rip] = r
	}
	tried := map[netip.Addr]int{}
	for _, v := range vipsInTurn(c) {
		for _, d := range v.Destinations {
			switch server := servers[d.Addr]; {
			case d.Weight == 0 || !server.near():
			case tried[d.Addr] == mostServices:
				s.skipped++
			default:
				tried[d.Addr]++
				s.paths = append(s.paths, &pathSeen{id: v.ID, server: server})
			}
		}
	}
}
