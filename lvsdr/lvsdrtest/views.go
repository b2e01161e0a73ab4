package lvsdrtest

import (
	"context"
	"io/fs"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// The views: each is the world, locked for one call.

// ask runs f alone in the world and returns its result.
func ask[T any](w *World, f func(*state) (T, error)) (v T, err error) {
	err = w.do(func(s *state) error {
		v, err = f(s)
		return err
	})
	return v, err
}

// askCtx is ask for the calls that can be cancelled.
func askCtx[T any](ctx context.Context, w *World, f func(*state) (T, error)) (v T, err error) {
	if err := ctx.Err(); err != nil {
		return v, err
	}
	return ask(w, f)
}

func (w *World) doCtx(ctx context.Context, f func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.do(f)
}

type files struct{ w *World }

func (v files) ReadFile(name string) ([]byte, error) {
	return ask(v.w, func(s *state) ([]byte, error) { return s.readFile(name) })
}

func (v files) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return v.w.do(func(s *state) error { return s.writeFile(name, data, perm) })
}

func (v files) Symlink(target, name string) error {
	return v.w.do(func(s *state) error { return s.symlink(target, name) })
}

func (v files) Readlink(name string) (string, error) {
	return ask(v.w, func(s *state) (string, error) { return s.readlink(name) })
}

func (v files) Remove(name string) error {
	return v.w.do(func(s *state) error { return s.remove(name) })
}

func (v files) ReadDir(name string) ([]string, error) {
	return ask(v.w, func(s *state) ([]string, error) { return s.readDir(name) })
}

type sysctls struct{ w *World }

func (v sysctls) Get(key string) (string, error) {
	return ask(v.w, func(s *state) (string, error) { return s.getSysctl(key) })
}

func (v sysctls) Set(key, value string) error {
	return v.w.do(func(s *state) error { return s.setSysctl(key, value) })
}

type modules struct{ w *World }

func (v modules) Loaded(name string) (bool, error) {
	return ask(v.w, func(s *state) (bool, error) { return s.loaded(name), nil })
}

func (v modules) Find(ctx context.Context, name string) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.findModule(name) })
}

func (v modules) Load(ctx context.Context, name string) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.loadModule(name) })
}

type links struct{ w *World }

func (v links) Links(ctx context.Context) ([]host.Link, error) {
	return askCtx(ctx, v.w, func(s *state) ([]host.Link, error) { return s.copyLinks(), nil })
}

func (v links) Addresses(ctx context.Context) ([]host.Address, error) {
	return askCtx(ctx, v.w, func(s *state) ([]host.Address, error) { return s.copyAddresses(), nil })
}

func (v links) SetUp(ctx context.Context, link string, up bool) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.setUp(link, up) })
}

func (v links) AddAddress(ctx context.Context, a host.Address) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.ensureAddress(a) })
}

func (v links) RemoveAddress(ctx context.Context, a host.Address) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.removeAddress(a) })
}

func (v links) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	return v.w.doCtx(ctx, func(s *state) error {
		for _, addr := range addrs {
			if err := s.announce(link, addr); err != nil {
				return err
			}
		}
		return nil
	})
}

type routes struct{ w *World }

func (v routes) To(ctx context.Context, dst netip.Addr) (host.Route, error) {
	return askCtx(ctx, v.w, func(s *state) (host.Route, error) { return s.routeTo(dst) })
}

func (v routes) Blackholes(ctx context.Context) ([]netip.Addr, error) {
	return askCtx(ctx, v.w, func(s *state) ([]netip.Addr, error) { return s.ourBlackholes(), nil })
}

func (v routes) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.addBlackhole(addr) })
}

func (v routes) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.removeBlackhole(addr) })
}

type table struct{ w *World }

func (v table) Services(ctx context.Context, _ ipvs.Detail) ([]ipvs.Service, error) {
	return askCtx(ctx, v.w, func(s *state) ([]ipvs.Service, error) { return s.ipvsServices(), nil })
}

func (v table) Destinations(ctx context.Context, id ipvs.ID, _ ipvs.Detail) ([]ipvs.Destination, error) {
	return askCtx(ctx, v.w, func(s *state) ([]ipvs.Destination, error) { return s.ipvsDestinations(id) })
}

func (v table) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	return askCtx(ctx, v.w, func(s *state) (int, error) { return s.applyIPVS(commands) })
}

func (v table) Timeouts(ctx context.Context) (ipvs.Timeouts, error) {
	return askCtx(ctx, v.w, func(s *state) (ipvs.Timeouts, error) { return s.ipvsTimeouts(), nil })
}

func (v table) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	return v.w.doCtx(ctx, func(s *state) error { return s.setIPVSTimeouts(t) })
}

type filter struct {
	w *World
	f *firewall
}

func (v filter) Name() string { return v.f.name }

func (v filter) Gates(ctx context.Context) ([]host.Gate, error) {
	return askCtx(ctx, v.w, func(*state) ([]host.Gate, error) { return v.f.view(), nil })
}

func (v filter) Set(ctx context.Context, gate string, openings []host.Opening) error {
	return v.w.doCtx(ctx, func(*state) error {
		v.f.set(gate, openings)
		return nil
	})
}
