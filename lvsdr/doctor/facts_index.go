package doctor

import (
	"context"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// What many checks look for, again for each VIP or real server, is found by a map made
// once: a host may have thousands of addresses, and a cluster of real servers.

// rips are real servers, in the configuration's order and to look one up.
type rips struct {
	all []netip.Addr
	has map[netip.Addr]bool
}

// rips are the VIP's real servers.
func (e *Exam) rips(vip netip.Addr) rips {
	of, _ := e.seen.rips.get(context.Background(), func() (map[netip.Addr]rips, error) {
		all := map[netip.Addr]rips{}
		for _, s := range e.Config.Services {
			r, ok := all[s.VIP]
			if !ok {
				r.has = map[netip.Addr]bool{}
			}
			for _, rs := range s.RealServers {
				if !r.has[rs.Address] {
					r.has[rs.Address] = true
					r.all = append(r.all, rs.Address)
				}
			}
			all[s.VIP] = r
		}
		return all, nil
	})
	return of[vip]
}

// onLink is what an interface's addresses come to, each subnet once however many
// addresses are in it.
type onLink struct {
	prefixes []netip.Prefix // but for single addresses
	subnets  []netip.Prefix // those that are not a VIP's alone
	own      []host.Address // the first of each subnet that this host may ask from
}

// onLink is that of an interface.
func (e *Exam) onLink(ctx context.Context, link string) (*onLink, error) {
	of, err := e.seen.onLinks.get(ctx, func() (map[string]*onLink, error) {
		addresses, err := e.Addresses(ctx)
		all := map[string]*onLink{}
		known := map[subnetOf]bool{}
		for _, a := range addresses {
			l := all[a.Link]
			if l == nil {
				l = &onLink{}
				all[a.Link] = l
			}
			l.add(a, e.isVIP(a.Prefix.Addr()), known)
		}
		return all, err
	})
	if l := of[link]; l != nil {
		return l, err
	}
	return &onLink{}, err
}

// subnetOf tells whether an address of the same kind in the same subnet is known.
type subnetOf struct {
	link      string
	prefix    netip.Prefix
	kind      uint8 // a place in onLink
	linkLocal bool
}

func (l *onLink) add(a host.Address, vip bool, known map[subnetOf]bool) {
	first := func(kind uint8) bool {
		s := subnetOf{a.Link, a.Prefix.Masked(), kind, a.Prefix.Addr().IsLinkLocalUnicast()}
		was := known[s]
		known[s] = true
		return !was
	}
	if !a.Prefix.IsSingleIP() && first(0) {
		l.prefixes = append(l.prefixes, a.Prefix.Masked())
	}
	if !a.Prefix.IsSingleIP() && !vip && first(1) {
		l.subnets = append(l.subnets, a.Prefix.Masked())
	}
	if !vip && !a.DADFailed && !a.Deprecated && first(2) {
		l.own = append(l.own, a)
	}
}

// at is where each IP address is on the host.
func (e *Exam) at(ctx context.Context) (map[netip.Addr][]host.Address, error) {
	return e.seen.at.get(ctx, func() (map[netip.Addr][]host.Address, error) {
		addresses, err := e.Addresses(ctx)
		all := make(map[netip.Addr][]host.Address, len(addresses))
		for _, a := range addresses {
			all[a.Prefix.Addr()] = append(all[a.Prefix.Addr()], a)
		}
		return all, err
	})
}

// local are the IP addresses of the host.
func (e *Exam) local(ctx context.Context) ([]netip.Addr, error) {
	return e.seen.local.get(ctx, func() ([]netip.Addr, error) {
		addresses, err := e.Addresses(ctx)
		all := make([]netip.Addr, len(addresses))
		for i, a := range addresses {
			all[i] = a.Prefix.Addr()
		}
		return all, err
	})
}

// busy are the real servers to which a service of the table, of one of the
// configuration's VIPs, sends new connections; nil where there is no such service.
func (e *Exam) busy(ctx context.Context) (map[netip.Addr]bool, error) {
	return e.seen.busy.get(ctx, func() (map[netip.Addr]bool, error) {
		table, err := e.Table(ctx)
		table = slices.DeleteFunc(slices.Clone(table), func(v ipvs.Entry) bool { return !e.isVIP(v.Addr) })
		if err != nil || len(table) == 0 {
			return nil, err
		}
		all := map[netip.Addr]bool{}
		for _, v := range table {
			for _, d := range v.Destinations {
				if d.Weight > 0 {
					all[d.Addr] = true
				}
			}
		}
		return all, nil
	})
}

// subnets are many, found by their lengths, of which there are few.
type subnets struct {
	has     map[netip.Prefix]bool
	lengths []int
}

func subnetsOf(addresses []host.Address) subnets {
	s := subnets{has: map[netip.Prefix]bool{}}
	for _, a := range addresses {
		s.has[a.Prefix.Masked()] = true
		if !slices.Contains(s.lengths, a.Prefix.Bits()) {
			s.lengths = append(s.lengths, a.Prefix.Bits())
		}
	}
	return s
}

// contain tells whether an address is in one of them.
func (s subnets) contain(ip netip.Addr) bool {
	return slices.ContainsFunc(s.lengths, func(bits int) bool {
		p, err := ip.Prefix(bits)
		return err == nil && s.has[p]
	})
}
