package host

import (
	"context"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

type observerVia struct {
	via Via
	of  Observer
}

func (v observerVia) Listeners(ctx context.Context) ([]Listener, error) {
	return get(ctx, v.via, "Observer.Listeners", func() ([]Listener, error) { return v.of.Listeners(ctx) })
}

func (v observerVia) Established(ctx context.Context, from []netip.Addr) (map[netip.AddrPort]int, error) {
	return get(ctx, v.via, "Observer.Established", func() (map[netip.AddrPort]int, error) { return v.of.Established(ctx, from) })
}

func (v observerVia) Neighbours(ctx context.Context) ([]Neighbour, error) {
	return get(ctx, v.via, "Observer.Neighbours", func() ([]Neighbour, error) { return v.of.Neighbours(ctx) })
}

func (v observerVia) Connections(ctx context.Context) ([]ipvs.Connection, error) {
	return get(ctx, v.via, "Observer.Connections", func() ([]ipvs.Connection, error) { return v.of.Connections(ctx) })
}

func (v observerVia) Processes(ctx context.Context) ([]string, error) {
	return get(ctx, v.via, "Observer.Processes", func() ([]string, error) { return v.of.Processes(ctx) })
}

func (v observerVia) Rules(ctx context.Context) (*filter.Ruleset, error) {
	return get(ctx, v.via, "Observer.Rules", func() (*filter.Ruleset, error) { return v.of.Rules(ctx) })
}

func (v observerVia) ARPDropped(ctx context.Context) ([]netip.Addr, error) {
	return get(ctx, v.via, "Observer.ARPDropped", func() ([]netip.Addr, error) { return v.of.ARPDropped(ctx) })
}

func (v observerVia) RouteOf(ctx context.Context, q RouteQuery) (Route, error) {
	return get(ctx, v.via, "Observer.RouteOf", func() (Route, error) { return v.of.RouteOf(ctx, q) })
}

func (v observerVia) Local(ctx context.Context, link string) ([]netip.Prefix, error) {
	return get(ctx, v.via, "Observer.Local", func() ([]netip.Prefix, error) { return v.of.Local(ctx, link) })
}

type wireVia struct {
	via Via
	of  Wire
}

func (v wireVia) Ask(ctx context.Context, link string, q []probe.Question, wait time.Duration) ([][]probe.Answer, error) {
	return get(ctx, v.via, "Wire.Ask", func() ([][]probe.Answer, error) { return v.of.Ask(ctx, link, q, wait) })
}

func (v wireVia) Knock(ctx context.Context, link string, k []probe.Knock, wait time.Duration) ([]probe.Reply, error) {
	return get(ctx, v.via, "Wire.Knock", func() ([]probe.Reply, error) { return v.of.Knock(ctx, link, k, wait) })
}

func (v wireVia) Claims(ctx context.Context, link string, addrs []netip.Addr, wait time.Duration) ([]probe.Claim, error) {
	return get(ctx, v.via, "Wire.Claims", func() ([]probe.Claim, error) { return v.of.Claims(ctx, link, addrs, wait) })
}

func (v wireVia) Adverts(ctx context.Context, link string, wait time.Duration) ([]probe.Advert, error) {
	return get(ctx, v.via, "Wire.Adverts", func() ([]probe.Advert, error) { return v.of.Adverts(ctx, link, wait) })
}

func (v wireVia) Fetch(ctx context.Context, from netip.AddrPort, mss int) (int64, error) {
	return get(ctx, v.via, "Wire.Fetch", func() (int64, error) { return v.of.Fetch(ctx, from, mss) })
}
