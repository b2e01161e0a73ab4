//go:build linux

package lab

import (
	"context"
	"io/fs"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// LVS is the host as the roles of package lvsdr see it, for a program that sets
// up lab hosts without a process on each. It may be used from any goroutine:
// every call is made on a thread inside the host.
func (h *Host) LVS() (*host.Host, error) {
	var local *host.Host
	// The IPVS view opens its socket here and belongs to the host from then on.
	if err := h.Do(func() error { local = lvsdr.Local(); return nil }); err != nil {
		return nil, err
	}
	inside := &host.Host{
		Files: files{h, local.Files}, Sysctl: sysctls{h, local.Sysctl}, Modules: modules{h, local.Modules},
		Links: links{h, local.Links}, Routes: routes{h, local.Routes}, IPVS: table{h, local.IPVS},
		Observer: observer{h, local.Observer}, Wire: wire{h, local.Wire},
	}
	for _, f := range local.Firewalls {
		inside.Firewalls = append(inside.Firewalls, firewall{h, f})
	}
	return inside, nil
}

// in makes a call with a result inside the host.
func in[T any](h *Host, f func() (T, error)) (result T, err error) {
	err = h.Do(func() (err error) { result, err = f(); return err })
	return result, err
}

type files struct {
	host *Host
	of   host.Files
}

func (v files) ReadFile(name string) ([]byte, error) {
	return in(v.host, func() ([]byte, error) { return v.of.ReadFile(name) })
}

func (v files) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return v.host.Do(func() error { return v.of.WriteFile(name, data, perm) })
}

func (v files) Symlink(target, name string) error {
	return v.host.Do(func() error { return v.of.Symlink(target, name) })
}

func (v files) Readlink(name string) (string, error) {
	return in(v.host, func() (string, error) { return v.of.Readlink(name) })
}

func (v files) Remove(name string) error {
	return v.host.Do(func() error { return v.of.Remove(name) })
}

func (v files) ReadDir(name string) ([]string, error) {
	return in(v.host, func() ([]string, error) { return v.of.ReadDir(name) })
}

type sysctls struct {
	host *Host
	of   host.Sysctl
}

func (v sysctls) Get(key string) (string, error) {
	return in(v.host, func() (string, error) { return v.of.Get(key) })
}

func (v sysctls) Set(key, value string) error {
	return v.host.Do(func() error { return v.of.Set(key, value) })
}

type modules struct {
	host *Host
	of   host.Modules
}

func (v modules) Loaded(name string) (bool, error) {
	return in(v.host, func() (bool, error) { return v.of.Loaded(name) })
}

func (v modules) Find(ctx context.Context, name string) error {
	return v.host.Do(func() error { return v.of.Find(ctx, name) })
}

func (v modules) Load(ctx context.Context, name string) error {
	return v.host.Do(func() error { return v.of.Load(ctx, name) })
}

type links struct {
	host *Host
	of   host.Links
}

func (v links) Links(ctx context.Context) ([]host.Link, error) {
	return in(v.host, func() ([]host.Link, error) { return v.of.Links(ctx) })
}

func (v links) SetUp(ctx context.Context, link string, up bool) error {
	return v.host.Do(func() error { return v.of.SetUp(ctx, link, up) })
}

func (v links) Addresses(ctx context.Context) ([]host.Address, error) {
	return in(v.host, func() ([]host.Address, error) { return v.of.Addresses(ctx) })
}

func (v links) AddAddress(ctx context.Context, a host.Address) error {
	return v.host.Do(func() error { return v.of.AddAddress(ctx, a) })
}

func (v links) RemoveAddress(ctx context.Context, a host.Address) error {
	return v.host.Do(func() error { return v.of.RemoveAddress(ctx, a) })
}

func (v links) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	return v.host.Do(func() error { return v.of.Announce(ctx, link, addrs...) })
}

type routes struct {
	host *Host
	of   host.Routes
}

func (v routes) To(ctx context.Context, dst netip.Addr) (host.Route, error) {
	return in(v.host, func() (host.Route, error) { return v.of.To(ctx, dst) })
}

func (v routes) Blackholes(ctx context.Context) ([]netip.Addr, error) {
	return in(v.host, func() ([]netip.Addr, error) { return v.of.Blackholes(ctx) })
}

func (v routes) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.host.Do(func() error { return v.of.AddBlackhole(ctx, addr) })
}

func (v routes) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.host.Do(func() error { return v.of.RemoveBlackhole(ctx, addr) })
}

type table struct {
	host *Host
	of   host.IPVS
}

func (v table) Services(ctx context.Context, detail ipvs.Detail) ([]ipvs.Service, error) {
	return in(v.host, func() ([]ipvs.Service, error) { return v.of.Services(ctx, detail) })
}

func (v table) Destinations(ctx context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	return in(v.host, func() ([]ipvs.Destination, error) { return v.of.Destinations(ctx, id, detail) })
}

func (v table) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	return in(v.host, func() (int, error) { return v.of.Apply(ctx, commands) })
}

func (v table) Timeouts(ctx context.Context) (ipvs.Timeouts, error) {
	return in(v.host, func() (ipvs.Timeouts, error) { return v.of.Timeouts(ctx) })
}

func (v table) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	return v.host.Do(func() error { return v.of.SetTimeouts(ctx, t) })
}

type firewall struct {
	host *Host
	of   host.Firewall
}

func (v firewall) Name() string { return v.of.Name() }

func (v firewall) Gates(ctx context.Context) ([]host.Gate, error) {
	return in(v.host, func() ([]host.Gate, error) { return v.of.Gates(ctx) })
}

func (v firewall) Set(ctx context.Context, gate string, openings []host.Opening) error {
	return v.host.Do(func() error { return v.of.Set(ctx, gate, openings) })
}
