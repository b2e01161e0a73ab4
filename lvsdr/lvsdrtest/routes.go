package lvsdrtest

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr"
)

// ourProtocol is the routing protocol that marks lvsdr's blackhole routes.
const ourProtocol = "76"

// A route of the main table that somebody added; those that follow from the
// addresses are not kept.
type route struct {
	dst       netip.Prefix
	gateway   netip.Addr
	link      string
	blackhole bool
	protocol  string // empty: boot, what ip(8) adds
}

// routeTo asks the local table, then the main one: longest prefix first.
func (s *state) routeTo(dst netip.Addr) (lvsdr.Route, error) {
	for _, a := range s.addresses {
		if s.isLocal(a, dst) {
			return lvsdr.Route{Link: a.Link, Source: dst, Local: true}, nil
		}
	}
	best := route{}
	for _, r := range append(s.onLink(), s.routes...) {
		if r.dst.Contains(dst) && (!best.dst.IsValid() || r.dst.Bits() > best.dst.Bits()) && (r.blackhole || s.up(r.link)) {
			best = r
		}
	}
	switch {
	case !best.dst.IsValid():
		return lvsdr.Route{}, fmt.Errorf("no route to %s: %w", dst, fs.ErrNotExist)
	case best.blackhole:
		return lvsdr.Route{}, fmt.Errorf("route to %s: %w", dst, syscall.EINVAL)
	}
	next := dst
	if best.gateway.IsValid() {
		next = best.gateway
	}
	return lvsdr.Route{Link: best.link, Gateway: best.gateway, Source: s.source(best.link, next)}, nil
}

// isLocal tells whether an address makes dst local: itself, and on a loopback
// interface the whole of its subnet.
func (s *state) isLocal(a lvsdr.Address, dst netip.Addr) bool {
	if a.Prefix.Addr() == dst {
		return true
	}
	return dst.Is4() && s.link(a.Link).Loopback && a.Prefix.Contains(dst)
}

func (s *state) up(link string) bool {
	l := s.link(link)
	return l != nil && l.Up
}

// onLink returns the routes that follow from the addresses.
func (s *state) onLink() []route {
	var all []route
	for _, a := range s.addresses {
		if !s.link(a.Link).Loopback && !(a.Prefix.Addr().Is4() && a.Prefix.IsSingleIP()) {
			all = append(all, route{dst: a.Prefix.Masked(), link: a.Link})
		}
	}
	return all
}

// source picks the address a packet to next leaves with: the first of the subnet,
// no deprecated one while there is another.
func (s *state) source(link string, next netip.Addr) netip.Addr {
	var spare netip.Addr
	for _, a := range s.copyAddresses() {
		if a.Link != link || a.Prefix.Addr().BitLen() != next.BitLen() {
			continue
		}
		if a.Prefix.Contains(next) && !a.Deprecated {
			return a.Prefix.Addr()
		}
		if !spare.IsValid() {
			spare = a.Prefix.Addr()
		}
	}
	return spare
}

func host32(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

func (s *state) findBlackhole(addr netip.Addr) int {
	return slices.IndexFunc(s.routes, func(r route) bool { return r.blackhole && r.dst == host32(addr) })
}

func (s *state) ourBlackholes() []netip.Addr {
	var all []netip.Addr
	for _, r := range s.routes {
		if r.blackhole && r.protocol == ourProtocol {
			all = append(all, r.dst.Addr())
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// addBlackhole adds lvsdr's route. One of somebody else to the same address
// stands in its way (measured on 6.1: EEXIST whatever the protocol).
func (s *state) addBlackhole(addr netip.Addr) error {
	if at := s.findBlackhole(addr); at >= 0 {
		if s.routes[at].protocol == ourProtocol {
			return nil
		}
		return fmt.Errorf("route blackhole %s of somebody else: %w", addr, syscall.EEXIST)
	}
	s.routes = append(s.routes, route{dst: host32(addr), blackhole: true, protocol: ourProtocol})
	return nil
}

func (s *state) removeBlackhole(addr netip.Addr) error {
	if at := s.findBlackhole(addr); at >= 0 && s.routes[at].protocol == ourProtocol {
		s.routes = slices.Delete(s.routes, at, at+1)
	}
	return nil
}
