package lvsdrtest

import (
	"context"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"

	rules "github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// readFrom makes a call that changes nothing, unless it is to fail.
func readFrom[T any](r *Recorder, call string, of func() (T, error)) (T, error) {
	if err := r.read(call); err != nil {
		var none T
		return none, err
	}
	return of()
}

type recObserver struct {
	*Recorder
	of host.Observer
}

func (v recObserver) Listeners(ctx context.Context) ([]host.Listener, error) {
	return readFrom(v.Recorder, "Observer.Listeners", func() ([]host.Listener, error) { return v.of.Listeners(ctx) })
}

func (v recObserver) Neighbours(ctx context.Context) ([]host.Neighbour, error) {
	return readFrom(v.Recorder, "Observer.Neighbours", func() ([]host.Neighbour, error) { return v.of.Neighbours(ctx) })
}

func (v recObserver) Connections(ctx context.Context) ([]ipvs.Connection, error) {
	return readFrom(v.Recorder, "Observer.Connections", func() ([]ipvs.Connection, error) { return v.of.Connections(ctx) })
}

func (v recObserver) Processes(ctx context.Context) ([]string, error) {
	return readFrom(v.Recorder, "Observer.Processes", func() ([]string, error) { return v.of.Processes(ctx) })
}

func (v recObserver) Rules(ctx context.Context) (*rules.Ruleset, error) {
	return readFrom(v.Recorder, "Observer.Rules", func() (*rules.Ruleset, error) { return v.of.Rules(ctx) })
}

func (v recObserver) ARPDropped(ctx context.Context) ([]netip.Addr, error) {
	return readFrom(v.Recorder, "Observer.ARPDropped", func() ([]netip.Addr, error) { return v.of.ARPDropped(ctx) })
}

func (v recObserver) RouteOf(ctx context.Context, q host.RouteQuery) (host.Route, error) {
	return readFrom(v.Recorder, "Observer.RouteOf", func() (host.Route, error) { return v.of.RouteOf(ctx, q) })
}

func (v recObserver) Local(ctx context.Context, link string) ([]netip.Prefix, error) {
	return readFrom(v.Recorder, "Observer.Local", func() ([]netip.Prefix, error) { return v.of.Local(ctx, link) })
}

type recWire struct {
	*Recorder
	of host.Wire
}

func (v recWire) Ask(ctx context.Context, link string, q []probe.Question, wait time.Duration) ([][]probe.Answer, error) {
	return readFrom(v.Recorder, "Wire.Ask", func() ([][]probe.Answer, error) { return v.of.Ask(ctx, link, q, wait) })
}

func (v recWire) Knock(ctx context.Context, link string, k []probe.Knock, wait time.Duration) ([]probe.Reply, error) {
	return readFrom(v.Recorder, "Wire.Knock", func() ([]probe.Reply, error) { return v.of.Knock(ctx, link, k, wait) })
}

func (v recWire) Claims(ctx context.Context, link string, addrs []netip.Addr, d time.Duration) ([]probe.Claim, error) {
	return readFrom(v.Recorder, "Wire.Claims", func() ([]probe.Claim, error) { return v.of.Claims(ctx, link, addrs, d) })
}

func (v recWire) Fetch(ctx context.Context, from netip.AddrPort, mss int) (int64, error) {
	return readFrom(v.Recorder, "Wire.Fetch", func() (int64, error) { return v.of.Fetch(ctx, from, mss) })
}
