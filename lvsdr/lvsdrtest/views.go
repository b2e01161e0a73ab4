package lvsdrtest

import (
	"context"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// The views: each is the state of a world that is locked for the call. Their
// methods stand where the part of the state does; here are those that the commands
// of [World.Run] need as well.
type (
	files   struct{ *state }
	sysctls struct{ *state }
	modules struct{ *state }
	links   struct{ *state }
	routes  struct{ *state }
	table   struct{ *state }
)

// views is the world's host, not locked.
func (s *state) views() *host.Host {
	h := &host.Host{
		Files: files{s}, Sysctl: sysctls{s}, Modules: modules{s}, Links: links{s}, Routes: routes{s}, IPVS: table{s},
		Sync: syncDaemons{s}, Keepalived: keepalivedEngine{s}, VRRP: vrrpEngine{s}, Packages: packages{s}, Observer: observer{s}, Wire: wire{s},
	}
	for _, f := range s.firewalls {
		h.Firewalls = append(h.Firewalls, f)
	}
	return h
}

// alone makes each call while nobody else is in the world, and none whose context
// is over; but whoever listens keeps what was heard until then.
func (w *World) alone(ctx context.Context, call string, do func() error) error {
	if err := ctx.Err(); err != nil && call != "Wire.Claims" {
		return err
	}
	return w.do(func(*state) error { return do() })
}

func (s modules) Loaded(name string) (bool, error) { return s.loaded(name), nil }

func (s modules) Find(_ context.Context, name string) error { return s.findModule(name) }

func (s modules) Load(_ context.Context, name string) error { return s.loadModule(name) }

func (s links) Addresses(context.Context) ([]host.Address, error) { return s.copyAddresses(), nil }

func (s links) SetUp(_ context.Context, link string, up bool) error { return s.setUp(link, up) }

func (s links) AddAddress(_ context.Context, a host.Address) error { return s.ensureAddress(a) }

func (s links) RemoveAddress(_ context.Context, a host.Address) error { return s.removeAddress(a) }

func (s routes) To(_ context.Context, dst netip.Addr) (host.Route, error) { return s.routeTo(dst) }

func (s table) Apply(_ context.Context, commands []ipvs.Command) (int, error) {
	return s.applyIPVS(commands)
}

func (s table) SetTimeouts(_ context.Context, t ipvs.Timeouts) error { return s.setIPVSTimeouts(t) }
