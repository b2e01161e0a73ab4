package host

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// ErrNoView: the host has no Observer, or no Wire. Checks that need it are skipped.
var ErrNoView = errors.New("not available: this host cannot be looked at so")

// Examined is the host with every view that checks ask for.
func (h *Host) Examined() *Host {
	whole := *h
	if whole.Observer == nil {
		whole.Observer = noObserver{}
	}
	if whole.Wire == nil {
		whole.Wire = noWire{}
	}
	return &whole
}

type noObserver struct{}

func (noObserver) Listeners(context.Context) ([]Listener, error) { return nil, ErrNoView }

func (noObserver) Neighbours(context.Context) ([]Neighbour, error) { return nil, ErrNoView }

func (noObserver) Connections(context.Context) ([]ipvs.Connection, error) { return nil, ErrNoView }

func (noObserver) Processes(context.Context) ([]string, error) { return nil, ErrNoView }

func (noObserver) Rules(context.Context) (*filter.Ruleset, error) { return nil, ErrNoView }

func (noObserver) ARPDropped(context.Context) ([]netip.Addr, error) { return nil, ErrNoView }

func (noObserver) RouteOf(context.Context, RouteQuery) (Route, error) { return Route{}, ErrNoView }

func (noObserver) Local(context.Context, string) ([]netip.Prefix, error) { return nil, ErrNoView }

type noWire struct{}

func (noWire) Ask(context.Context, string, []probe.Question, time.Duration) ([][]probe.Answer, error) {
	return nil, ErrNoView
}

func (noWire) Knock(context.Context, string, []probe.Knock, time.Duration) ([]probe.Reply, error) {
	return nil, ErrNoView
}

func (noWire) Claims(context.Context, string, []netip.Addr, time.Duration) ([]probe.Claim, error) {
	return nil, ErrNoView
}

func (noWire) Fetch(context.Context, netip.AddrPort, int) (int64, error) { return 0, ErrNoView }
