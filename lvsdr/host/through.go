package host

import (
	"context"
	"io/fs"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A Via makes the calls on a host's views: it calls do, or says why it does not.
// call names the method: "Links.AddAddress". do may be called on any thread, and
// its result is handed on also with an error. A view's method without a context
// brings the background's.
type Via func(ctx context.Context, call string, do func() error) error

// Through returns the host as it is seen through via: every call on its views goes
// that way, but for the names of its firewalls. What needs to stand between a role
// and its host (a namespace, a lock, a failure on demand) is one such function: the
// views' methods are forwarded here and nowhere else.
func (h *Host) Through(via Via) *Host {
	through := *h
	through.Files, through.Sysctl, through.Modules = filesVia{via, h.Files}, sysctlVia{via, h.Sysctl}, modulesVia{via, h.Modules}
	through.Links, through.Routes, through.IPVS = linksVia{via, h.Links}, routesVia{via, h.Routes}, ipvsVia{via, h.IPVS}
	through.Firewalls = nil
	for _, f := range h.Firewalls {
		through.Firewalls = append(through.Firewalls, firewallVia{via, f})
	}
	if h.Sync != nil {
		through.Sync = syncVia{via, h.Sync}
	}
	if h.Keepalived != nil {
		through.Keepalived = keepalivedVia{via, h.Keepalived}
	}
	if h.VRRP != nil {
		through.VRRP = vrrpVia{via, h.VRRP}
	}
	if h.Packages != nil {
		through.Packages = packagesVia{via, h.Packages}
	}
	if h.Observer != nil {
		through.Observer = observerVia{via, h.Observer}
	}
	if h.Wire != nil {
		through.Wire = wireVia{via, h.Wire}
	}
	return &through
}

// get makes a call that has a result.
func get[T any](ctx context.Context, via Via, call string, of func() (T, error)) (result T, err error) {
	err = via(ctx, call, func() (err error) { result, err = of(); return err })
	return result, err
}

type filesVia struct {
	via Via
	of  Files
}

func (v filesVia) ReadFile(name string) ([]byte, error) {
	return get(context.Background(), v.via, "Files.ReadFile", func() ([]byte, error) { return v.of.ReadFile(name) })
}

func (v filesVia) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return v.via(context.Background(), "Files.WriteFile", func() error { return v.of.WriteFile(name, data, perm) })
}

func (v filesVia) Symlink(target, name string) error {
	return v.via(context.Background(), "Files.Symlink", func() error { return v.of.Symlink(target, name) })
}

func (v filesVia) Readlink(name string) (string, error) {
	return get(context.Background(), v.via, "Files.Readlink", func() (string, error) { return v.of.Readlink(name) })
}

func (v filesVia) Remove(name string) error {
	return v.via(context.Background(), "Files.Remove", func() error { return v.of.Remove(name) })
}

func (v filesVia) ReadDir(name string) ([]string, error) {
	return get(context.Background(), v.via, "Files.ReadDir", func() ([]string, error) { return v.of.ReadDir(name) })
}

// Lock goes the same way to give the lock back; where that is refused, the lock stays.
func (v filesVia) Lock(name string) (unlock func(), err error) {
	release, err := get(context.Background(), v.via, "Files.Lock", func() (func(), error) { return v.of.Lock(name) })
	if err != nil {
		return nil, err
	}
	return func() {
		_ = v.via(context.Background(), "Files.Unlock", func() error { release(); return nil })
	}, nil
}

type sysctlVia struct {
	via Via
	of  Sysctl
}

func (v sysctlVia) Get(key string) (string, error) {
	return get(context.Background(), v.via, "Sysctl.Get", func() (string, error) { return v.of.Get(key) })
}

func (v sysctlVia) Set(key, value string) error {
	return v.via(context.Background(), "Sysctl.Set", func() error { return v.of.Set(key, value) })
}

type modulesVia struct {
	via Via
	of  Modules
}

func (v modulesVia) Loaded(name string) (bool, error) {
	return get(context.Background(), v.via, "Modules.Loaded", func() (bool, error) { return v.of.Loaded(name) })
}

func (v modulesVia) Find(ctx context.Context, name string) error {
	return v.via(ctx, "Modules.Find", func() error { return v.of.Find(ctx, name) })
}

func (v modulesVia) Load(ctx context.Context, name string) error {
	return v.via(ctx, "Modules.Load", func() error { return v.of.Load(ctx, name) })
}

type linksVia struct {
	via Via
	of  Links
}

func (v linksVia) Links(ctx context.Context) ([]Link, error) {
	return get(ctx, v.via, "Links.Links", func() ([]Link, error) { return v.of.Links(ctx) })
}

func (v linksVia) SetUp(ctx context.Context, link string, up bool) error {
	return v.via(ctx, "Links.SetUp", func() error { return v.of.SetUp(ctx, link, up) })
}

func (v linksVia) Addresses(ctx context.Context) ([]Address, error) {
	return get(ctx, v.via, "Links.Addresses", func() ([]Address, error) { return v.of.Addresses(ctx) })
}

func (v linksVia) AddAddress(ctx context.Context, a Address) error {
	return v.via(ctx, "Links.AddAddress", func() error { return v.of.AddAddress(ctx, a) })
}

func (v linksVia) RemoveAddress(ctx context.Context, a Address) error {
	return v.via(ctx, "Links.RemoveAddress", func() error { return v.of.RemoveAddress(ctx, a) })
}

func (v linksVia) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	return v.via(ctx, "Links.Announce", func() error { return v.of.Announce(ctx, link, addrs...) })
}

type routesVia struct {
	via Via
	of  Routes
}

func (v routesVia) To(ctx context.Context, dst netip.Addr) (Route, error) {
	return get(ctx, v.via, "Routes.To", func() (Route, error) { return v.of.To(ctx, dst) })
}

func (v routesVia) Blackholes(ctx context.Context) ([]netip.Addr, error) {
	return get(ctx, v.via, "Routes.Blackholes", func() ([]netip.Addr, error) { return v.of.Blackholes(ctx) })
}

func (v routesVia) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.via(ctx, "Routes.AddBlackhole", func() error { return v.of.AddBlackhole(ctx, addr) })
}

func (v routesVia) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.via(ctx, "Routes.RemoveBlackhole", func() error { return v.of.RemoveBlackhole(ctx, addr) })
}

type ipvsVia struct {
	via Via
	of  IPVS
}

func (v ipvsVia) Services(ctx context.Context, detail ipvs.Detail) ([]ipvs.Service, error) {
	return get(ctx, v.via, "IPVS.Services", func() ([]ipvs.Service, error) { return v.of.Services(ctx, detail) })
}

func (v ipvsVia) Destinations(ctx context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	return get(ctx, v.via, "IPVS.Destinations", func() ([]ipvs.Destination, error) { return v.of.Destinations(ctx, id, detail) })
}

func (v ipvsVia) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	return get(ctx, v.via, "IPVS.Apply", func() (int, error) { return v.of.Apply(ctx, commands) })
}

func (v ipvsVia) Timeouts(ctx context.Context) (ipvs.Timeouts, error) {
	return get(ctx, v.via, "IPVS.Timeouts", func() (ipvs.Timeouts, error) { return v.of.Timeouts(ctx) })
}

func (v ipvsVia) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	return v.via(ctx, "IPVS.SetTimeouts", func() error { return v.of.SetTimeouts(ctx, t) })
}

type firewallVia struct {
	via Via
	of  Firewall
}

func (v firewallVia) Name() string { return v.of.Name() }

func (v firewallVia) Gates(ctx context.Context) ([]Gate, error) {
	return get(ctx, v.via, "Firewall.Gates", func() ([]Gate, error) { return v.of.Gates(ctx) })
}

func (v firewallVia) Set(ctx context.Context, gate string, openings []Opening) error {
	return v.via(ctx, "Firewall.Set", func() error { return v.of.Set(ctx, gate, openings) })
}

type syncVia struct {
	via Via
	of  Sync
}

func (v syncVia) Daemons(ctx context.Context) ([]ipvs.Daemon, error) {
	return get(ctx, v.via, "Sync.Daemons", func() ([]ipvs.Daemon, error) { return v.of.Daemons(ctx) })
}

func (v syncVia) StartDaemon(ctx context.Context, d ipvs.Daemon) error {
	return v.via(ctx, "Sync.StartDaemon", func() error { return v.of.StartDaemon(ctx, d) })
}

func (v syncVia) StopDaemon(ctx context.Context, state ipvs.DaemonState) error {
	return v.via(ctx, "Sync.StopDaemon", func() error { return v.of.StopDaemon(ctx, state) })
}

type keepalivedVia struct {
	via Via
	of  Keepalived
}

func (v keepalivedVia) Version(ctx context.Context) (string, error) {
	return get(ctx, v.via, "Keepalived.Version", func() (string, error) { return v.of.Version(ctx) })
}

func (v keepalivedVia) Test(ctx context.Context, config []byte) error {
	return v.via(ctx, "Keepalived.Test", func() error { return v.of.Test(ctx, config) })
}

func (v keepalivedVia) Script(ctx context.Context, program, user string) error {
	return v.via(ctx, "Keepalived.Script", func() error { return v.of.Script(ctx, program, user) })
}

func (v keepalivedVia) Running(ctx context.Context) (bool, error) {
	return get(ctx, v.via, "Keepalived.Running", func() (bool, error) { return v.of.Running(ctx) })
}

func (v keepalivedVia) Held(ctx context.Context) ([]HeldServer, error) {
	return get(ctx, v.via, "Keepalived.Held", func() ([]HeldServer, error) { return v.of.Held(ctx) })
}

func (v keepalivedVia) Start(ctx context.Context) error {
	return v.via(ctx, "Keepalived.Start", func() error { return v.of.Start(ctx) })
}

func (v keepalivedVia) Stop(ctx context.Context) error {
	return v.via(ctx, "Keepalived.Stop", func() error { return v.of.Stop(ctx) })
}

type vrrpVia struct {
	via Via
	of  VRRP
}

func (v vrrpVia) Version(ctx context.Context) (string, error) {
	return get(ctx, v.via, "VRRP.Version", func() (string, error) { return v.of.Version(ctx) })
}

func (v vrrpVia) Test(ctx context.Context, config []byte) error {
	return v.via(ctx, "VRRP.Test", func() error { return v.of.Test(ctx, config) })
}

func (v vrrpVia) Running(ctx context.Context) (bool, error) {
	return get(ctx, v.via, "VRRP.Running", func() (bool, error) { return v.of.Running(ctx) })
}

func (v vrrpVia) Start(ctx context.Context) error {
	return v.via(ctx, "VRRP.Start", func() error { return v.of.Start(ctx) })
}

func (v vrrpVia) Stop(ctx context.Context) error {
	return v.via(ctx, "VRRP.Stop", func() error { return v.of.Stop(ctx) })
}

func (v vrrpVia) Reload(ctx context.Context) error {
	return v.via(ctx, "VRRP.Reload", func() error { return v.of.Reload(ctx) })
}

func (v vrrpVia) Quiet(ctx context.Context, at []netip.AddrPort) (answer func(time.Duration), err error) {
	return get(ctx, v.via, "VRRP.Quiet", func() (func(time.Duration), error) { return v.of.Quiet(ctx, at) })
}

type packagesVia struct {
	via Via
	of  Packages
}

func (v packagesVia) Command(name string) (string, error) {
	return get(context.Background(), v.via, "Packages.Command", func() (string, error) { return v.of.Command(name) })
}

func (v packagesVia) Install(ctx context.Context, name string) error {
	return v.via(ctx, "Packages.Install", func() error { return v.of.Install(ctx, name) })
}
