package step_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// vipFiles is a file system in memory.
type vipFiles map[string]string

func (f vipFiles) Lock(string) (func(), error) { return func() {}, nil }

func (f vipFiles) ReadFile(name string) ([]byte, error) {
	if text, ok := f[name]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (f vipFiles) WriteFile(name string, data []byte, _ fs.FileMode) error {
	f[name] = string(data)
	return nil
}

func (f vipFiles) Remove(name string) error { delete(f, name); return nil }

func (f vipFiles) Symlink(string, string) error     { return errors.ErrUnsupported }
func (f vipFiles) Readlink(string) (string, error)  { return "", fs.ErrNotExist }
func (f vipFiles) ReadDir(string) ([]string, error) { return nil, fs.ErrNotExist }
func (f vipFiles) list() []string                   { return slices.Sorted(maps.Keys(f)) }

// vipSysctl is /proc/sys/net of the calling thread's network namespace.
type vipSysctl struct{}

func (vipSysctl) Get(key string) (string, error) {
	data, err := os.ReadFile("/proc/sys/" + key)
	return strings.TrimSpace(string(data)), err
}

func (vipSysctl) Set(key, value string) error {
	return os.WriteFile("/proc/sys/"+key, []byte(value), 0)
}

// vipFakeLinks is a host's interfaces in memory, without any of the kernel's rules.
type vipFakeLinks struct {
	links     []host.Link
	addresses []host.Address
}

func (f *vipFakeLinks) Links(context.Context) ([]host.Link, error) { return f.links, nil }

func (f *vipFakeLinks) Addresses(context.Context) ([]host.Address, error) {
	return slices.Clone(f.addresses), nil
}

func (f *vipFakeLinks) SetUp(context.Context, string, bool) error { return errors.ErrUnsupported }

func (f *vipFakeLinks) AddAddress(_ context.Context, a host.Address) error {
	f.addresses = append(f.addresses, a)
	return nil
}

func (f *vipFakeLinks) RemoveAddress(_ context.Context, a host.Address) error {
	f.addresses = slices.DeleteFunc(f.addresses, func(b host.Address) bool { return step.SameAddress(a, b) })
	return nil
}

func (f *vipFakeLinks) Announce(context.Context, string, ...netip.Addr) error { return nil }

// vipFakeRoutes answers To from the first prefix that holds the address.
type vipFakeRoutes []struct {
	to    netip.Prefix
	route host.Route
}

func (f vipFakeRoutes) To(_ context.Context, dst netip.Addr) (host.Route, error) {
	for _, r := range f {
		if r.to.Contains(dst) {
			return r.route, nil
		}
	}
	return host.Route{}, fs.ErrNotExist
}

func (vipFakeRoutes) Blackholes(context.Context) ([]netip.Addr, error)  { return nil, nil }
func (vipFakeRoutes) AddBlackhole(context.Context, netip.Addr) error    { return nil }
func (vipFakeRoutes) RemoveBlackhole(context.Context, netip.Addr) error { return nil }
