package lvsdrtest

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ours is how lvsdr's blackhole routes are marked: the routing protocol, and a
// metric that lets every other route win.
var ours = route{blackhole: true, protocol: strconv.Itoa(host.RouteProtocol), metric: 1 << 30}

// A route of the main table that somebody added; those that follow from the
// addresses are not kept.
type route struct {
	dst       netip.Prefix
	gateway   netip.Addr
	link      string
	source    netip.Addr // "src"; invalid: the kernel picks
	blackhole bool
	local     bool   // in the local table
	protocol  string // empty: boot, what ip(8) adds
	metric    uint32
	mtu       int
}

// better tells whether r wins against the route chosen up to now.
func (r route) better(chosen route) bool {
	if !chosen.dst.IsValid() || r.dst.Bits() != chosen.dst.Bits() {
		return !chosen.dst.IsValid() || r.dst.Bits() > chosen.dst.Bits()
	}
	return r.metric < chosen.metric
}

// routeTo asks the local table, then the main one: longest prefix first.
func (s *state) routeTo(dst netip.Addr) (host.Route, error) {
	for _, a := range s.addresses {
		if s.isLocal(a, dst) {
			return host.Route{Link: a.Link, Source: dst, Local: true}, nil
		}
	}
	best := route{}
	for _, r := range append(s.onLink(), s.routes...) {
		if r.local && r.dst.Contains(dst) && s.up(r.link) {
			return host.Route{Link: r.link, Source: dst, Local: true}, nil
		}
		if !r.local && r.dst.Contains(dst) && r.better(best) && (r.blackhole || s.up(r.link)) {
			best = r
		}
	}
	switch {
	case !best.dst.IsValid():
		return host.Route{}, fmt.Errorf("no route to %s: %w", dst, fs.ErrNotExist)
	case best.blackhole:
		return host.Route{}, fmt.Errorf("the route to %s is a blackhole: %w: %w", dst, fs.ErrNotExist, syscall.EINVAL)
	}
	next := dst
	if best.gateway.IsValid() {
		next = best.gateway
	}
	source := best.source
	if !source.IsValid() {
		source = s.source(best.link, next)
	}
	return host.Route{Link: best.link, Gateway: best.gateway, Source: source, MTU: best.mtu}, nil
}

// isLocal tells whether an address makes dst local, on an interface that is up:
// itself, and on a loopback interface the whole of its subnet.
func (s *state) isLocal(a host.Address, dst netip.Addr) bool {
	if !s.up(a.Link) || a.DADFailed {
		return false
	}
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

// ourBlackhole is lvsdr's route for an address.
func ourBlackhole(addr netip.Addr) route {
	r := ours
	r.dst = host32(addr)
	return r
}

func (s routes) Blackholes(context.Context) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, r := range s.routes {
		if r == ourBlackhole(r.dst.Addr()) {
			all = append(all, r.dst.Addr())
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all, nil
}

// AddBlackhole adds lvsdr's route. One of somebody else with the same address and
// metric stands in its way, whatever its protocol; as from a real kernel, that is
// no error.
func (s routes) AddBlackhole(_ context.Context, addr netip.Addr) error {
	r := ourBlackhole(addr)
	if !slices.ContainsFunc(s.routes, func(x route) bool { return x.dst == r.dst && x.metric == r.metric }) {
		s.routes = append(s.routes, r)
	}
	return nil
}

func (s routes) RemoveBlackhole(_ context.Context, addr netip.Addr) error {
	s.routes = slices.DeleteFunc(s.routes, func(x route) bool { return x == ourBlackhole(addr) })
	return nil
}
