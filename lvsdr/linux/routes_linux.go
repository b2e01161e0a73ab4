package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// blackholeMetric lets every other route to the VIP win.
const blackholeMetric = 1 << 30

// linuxRoutes is the routing table in the network namespace of the calling thread.
type linuxRoutes struct{}

// To implements [host.Routes].
func (linuxRoutes) To(ctx context.Context, dst netip.Addr) (host.Route, error) {
	return routeOf(ctx, host.RouteQuery{To: dst})
}

// routeOf asks the kernel to route one packet.
func routeOf(ctx context.Context, q host.RouteQuery) (host.Route, error) {
	if err := ctx.Err(); err != nil {
		return host.Route{}, err
	}
	o := &netlink.RouteGetOptions{Iif: q.In}
	if q.From.IsValid() {
		o.SrcAddr = q.From.AsSlice()
	}
	found, err := netlink.RouteGetWithOptions(q.To.AsSlice(), o)
	if noRoute(err) {
		return host.Route{}, absent{fmt.Sprintf("no route to %s (%v)", q.To, err), err}
	}
	if err == nil && len(found) == 0 {
		return host.Route{}, absent{fmt.Sprintf("no route to %s", q.To), nil}
	}
	if err != nil {
		return host.Route{}, fmt.Errorf("route to %s: %w", q.To, err)
	}
	link, err := netlink.LinkByIndex(found[0].LinkIndex)
	if err != nil {
		return host.Route{}, fmt.Errorf("route to %s: %w", q.To, err)
	}
	r := host.Route{Link: link.Attrs().Name, Local: found[0].Type == unix.RTN_LOCAL, MTU: found[0].MTU}
	r.Source, _ = netip.AddrFromSlice(unmapped(found[0].Src, q.To))
	r.Gateway, _ = netip.AddrFromSlice(unmapped(found[0].Gw, q.To))
	if via, ok := found[0].Via.(*netlink.Via); ok { // an IPv6 gateway of an IPv4 route
		r.Gateway, _ = netip.AddrFromSlice(via.Addr)
	}
	return r, nil
}

// noRoute tells the kernel's answers for no route at all, for routes of type
// unreachable, blackhole and prohibit (fib_props in net/ipv4/fib_semantics.c), and
// for a packet that the reverse path filter drops (EXDEV, net/ipv4/fib_frontend.c).
func noRoute(err error) bool {
	return slices.ContainsFunc([]error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EINVAL, unix.EACCES, unix.EXDEV},
		func(errno error) bool { return errors.Is(err, errno) })
}

// unmapped gives an address the length of the family that like is of.
func unmapped(ip net.IP, like netip.Addr) net.IP {
	if like.Is4() {
		return ip.To4()
	}
	return ip
}

// Blackholes implements [host.Routes].
func (linuxRoutes) Blackholes(ctx context.Context) ([]netip.Addr, error) {
	ours := &netlink.Route{Protocol: host.RouteProtocol, Type: unix.RTN_BLACKHOLE, Table: unix.RT_TABLE_MAIN}
	const filter = netlink.RT_FILTER_PROTOCOL | netlink.RT_FILTER_TYPE | netlink.RT_FILTER_TABLE
	var addrs []netip.Addr
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := dump(ctx, func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, ours, filter)
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			if a, ok := hostRoute(r.Dst); ok {
				addrs = append(addrs, a)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

func hostRoute(dst *net.IPNet) (netip.Addr, bool) {
	if dst == nil {
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(dst.IP)
	ones, bits := dst.Mask.Size()
	return a, ok && ones == bits && bits == a.BitLen()
}

// AddBlackhole implements [host.Routes].
func (linuxRoutes) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := netlink.RouteAdd(blackhole(addr))
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// RemoveBlackhole implements [host.Routes].
func (linuxRoutes) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := netlink.RouteDel(blackhole(addr))
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func blackhole(addr netip.Addr) *netlink.Route {
	return &netlink.Route{
		Dst:      &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())},
		Type:     unix.RTN_BLACKHOLE,
		Protocol: host.RouteProtocol,
		Table:    unix.RT_TABLE_MAIN,
		Priority: blackholeMetric,
	}
}
