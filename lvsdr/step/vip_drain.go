package step

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Drain implements [Drainer] for a real server: clients are connected to a VIP that
// goes. On a director, what goes is drained by its services.
func (s vipStep) Drain(ctx context.Context, h *host.Host, changes []Change) error {
	var gone []netip.Addr
	for _, c := range changes {
		if vip := c.Data.(vipEdit).gone; vip.IsValid() {
			gone = append(gone, vip)
		}
	}
	if s.role != cluster.RealServerRole {
		return nil
	}
	return awaitServed(ctx, h, s.config.DrainTime(), gone, func(netip.AddrPort) bool { return true })
}

// Drain implements [Drainer] for a real server whose firewall closes a port of a VIP
// that stays.
func (p ports) Drain(ctx context.Context, h *host.Host, changes []Change) error {
	closing := map[netip.AddrPort]bool{}
	var vips []netip.Addr
	for _, c := range changes {
		o := c.Data.(host.Opening)
		stays := slices.ContainsFunc(p.openings, func(x host.Opening) bool { return x.VIP == o.VIP })
		if !stays || p.director || o.Protocol != ipvs.TCP {
			continue
		}
		closing[netip.AddrPortFrom(o.VIP, o.Port)] = true
		if !slices.Contains(vips, o.VIP) {
			vips = append(vips, o.VIP)
		}
	}
	return awaitServed(ctx, h, p.drain, vips, func(at netip.AddrPort) bool {
		return closing[at] || closing[netip.AddrPortFrom(at.Addr(), 0)]
	})
}

// awaitServed waits until a real server has no connection open on what goes. With no
// time to wait it only tells what is cut.
func awaitServed(ctx context.Context, h *host.Host, most time.Duration, vips []netip.Addr, goes func(netip.AddrPort) bool) error {
	if len(vips) == 0 || h.Observer == nil {
		return nil
	}
	_, err := await(ctx, most, func() ([]Busy, error) {
		open, err := h.Observer.Established(ctx, vips)
		if err != nil {
			return nil, err
		}
		var left []Busy
		for at, n := range open {
			if goes(at) {
				id := ipvs.ID{Addr: at.Addr(), Port: at.Port(), Protocol: ipvs.TCP}
				left = append(left, Busy{Service: id, Connections: n})
			}
		}
		slices.SortFunc(left, func(a, b Busy) int {
			return cmp.Or(b.Connections-a.Connections, a.Service.Compare(b.Service))
		})
		return left, nil
	})
	return err
}
