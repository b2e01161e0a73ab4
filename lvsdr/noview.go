package lvsdr

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// errNoView: the host has no Observer, or no Wire. Checks that need it are skipped.
var errNoView = errors.New("not available: this host cannot be looked at so")

// examined is the host with every view that checks ask for.
func (h *Host) examined() *Host {
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

func (noObserver) Listeners(context.Context) ([]Listener, error)          { return nil, errNoView }
func (noObserver) Neighbours(context.Context) ([]Neighbour, error)        { return nil, errNoView }
func (noObserver) Connections(context.Context) ([]ipvs.Connection, error) { return nil, errNoView }
func (noObserver) Processes(context.Context) ([]string, error)            { return nil, errNoView }
func (noObserver) Rules(context.Context) (*filter.Ruleset, error)         { return nil, errNoView }
func (noObserver) ARPDropped(context.Context) ([]netip.Addr, error)       { return nil, errNoView }
func (noObserver) RouteOf(context.Context, RouteQuery) (Route, error)     { return Route{}, errNoView }
func (noObserver) Local(context.Context, string) ([]netip.Prefix, error)  { return nil, errNoView }

type noWire struct{}

func (noWire) Ask(context.Context, string, []probe.Question, time.Duration) ([][]probe.Answer, error) {
	return nil, errNoView
}

func (noWire) Knock(context.Context, string, []probe.Knock, time.Duration) ([]probe.Reply, error) {
	return nil, errNoView
}

func (noWire) Claims(context.Context, string, []netip.Addr, time.Duration) ([]probe.Claim, error) {
	return nil, errNoView
}

func (noWire) Fetch(context.Context, netip.AddrPort, int) (int64, error) { return 0, errNoView }
