package step

import (
	"context"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Blackhole is the name of the step that drops packets for a VIP that is gone.
const Blackhole = "blackhole"

// RealServerBlackholes is the step that keeps a real server which lost its VIP
// from forwarding the VIP's packets back to the director.
//
// With ip_forward=1 a packet for a VIP that is not local any more goes back where
// it came from, and again, until its TTL ends: 32 packets at the director for one
// SYN. A blackhole route for the VIP behind the local one drops it instead. It
// has no say while the real server has the VIP, because table local is looked up
// first. Its mark is the routing protocol number [host.RouteProtocol].
func RealServerBlackholes(c cluster.Config) Step { return blackholeStep{c.VIPs()} }

type blackholeStep struct{ vips []netip.Addr }

func (blackholeStep) Name() string { return Blackhole }

func (s blackholeStep) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	have, err := h.Routes.Blackholes(ctx)
	if err != nil {
		return nil, err
	}
	var wanted []netip.Addr
	if want == Present {
		wanted = s.vips
	}
	var changes []Change
	for _, vip := range without(wanted, have) {
		changes = append(changes, s.change(Add, vip, h.Routes.AddBlackhole))
	}
	for _, vip := range without(have, wanted) {
		gone := s.change(Remove, vip, h.Routes.RemoveBlackhole)
		gone.Late = want == Present
		changes = append(changes, gone)
	}
	return changes, nil
}

func (s blackholeStep) change(op Op, vip netip.Addr, do func(context.Context, netip.Addr) error) Change {
	return Change{
		Step:   s.Name(),
		Op:     op,
		Object: "blackhole " + host.HostPrefix(vip).String(),
		Do:     func(ctx context.Context) error { return do(ctx, vip) },
	}
}

// without returns the addresses of a that are not in b, in a's order.
func without(a, b []netip.Addr) []netip.Addr {
	in := make(map[netip.Addr]bool, len(b))
	for _, addr := range b {
		in[addr] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(addr netip.Addr) bool { return in[addr] })
}
