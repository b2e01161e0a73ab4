//go:build linux

package lab

import (
	"context"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

type observer struct {
	host *Host
	of   host.Observer
}

func (v observer) Listeners(ctx context.Context) ([]host.Listener, error) {
	return in(v.host, func() ([]host.Listener, error) { return v.of.Listeners(ctx) })
}

func (v observer) Neighbours(ctx context.Context) ([]host.Neighbour, error) {
	return in(v.host, func() ([]host.Neighbour, error) { return v.of.Neighbours(ctx) })
}

func (v observer) Connections(ctx context.Context) ([]ipvs.Connection, error) {
	return in(v.host, func() ([]ipvs.Connection, error) { return v.of.Connections(ctx) })
}

func (v observer) Processes(ctx context.Context) ([]string, error) {
	return in(v.host, func() ([]string, error) { return v.of.Processes(ctx) })
}

func (v observer) Rules(ctx context.Context) (*filter.Ruleset, error) {
	return in(v.host, func() (*filter.Ruleset, error) { return v.of.Rules(ctx) })
}

func (v observer) ARPDropped(ctx context.Context) ([]netip.Addr, error) {
	return in(v.host, func() ([]netip.Addr, error) { return v.of.ARPDropped(ctx) })
}

func (v observer) RouteOf(ctx context.Context, q host.RouteQuery) (host.Route, error) {
	return in(v.host, func() (host.Route, error) { return v.of.RouteOf(ctx, q) })
}

func (v observer) Local(ctx context.Context, link string) ([]netip.Prefix, error) {
	return in(v.host, func() ([]netip.Prefix, error) { return v.of.Local(ctx, link) })
}

type wire struct {
	host *Host
	of   host.Wire
}

func (v wire) Ask(ctx context.Context, link string, q []probe.Question, wait time.Duration) ([][]probe.Answer, error) {
	return in(v.host, func() ([][]probe.Answer, error) { return v.of.Ask(ctx, link, q, wait) })
}

func (v wire) Knock(ctx context.Context, link string, k []probe.Knock, wait time.Duration) ([]probe.Reply, error) {
	return in(v.host, func() ([]probe.Reply, error) { return v.of.Knock(ctx, link, k, wait) })
}

func (v wire) Claims(ctx context.Context, link string, addrs []netip.Addr, d time.Duration) ([]probe.Claim, error) {
	return in(v.host, func() ([]probe.Claim, error) { return v.of.Claims(ctx, link, addrs, d) })
}

func (v wire) Fetch(ctx context.Context, from netip.AddrPort, mss int) (int64, error) {
	return in(v.host, func() (int64, error) { return v.of.Fetch(ctx, from, mss) })
}
