package step_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func vipWait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// vipSettled tells that the local routes of the IPv6 addresses are there, which the
// kernel adds a moment later, even without duplicate address detection.
func vipSettled() bool {
	addresses, _ := lvsdr.Local().Links.Addresses(context.Background())
	routes, _ := netlink.RouteListFiltered(unix.AF_INET6, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
	return !slices.ContainsFunc(addresses, func(a host.Address) bool {
		return a.Prefix.Addr().Is6() && !slices.ContainsFunc(routes, func(r netlink.Route) bool {
			return r.Dst != nil && r.Dst.IP.Equal(a.Prefix.Addr().AsSlice())
		})
	})
}

// vipState is everything a role could leave on a host.
func vipState(t *testing.T, h *host.Host) string {
	t.Helper()
	vipWait(t, vipSettled)
	// A link that was up once keeps its queue.
	s := strings.ReplaceAll(lab.IP(t, "addr", "route show table all"), "qdisc noqueue state DOWN", "qdisc noop state DOWN")
	for _, link := range []string{"all", "lo", "eth0"} {
		if value, err := h.Sysctl.Get(host.PromoteSecondaries(link)); err == nil {
			s += host.PromoteSecondaries(link) + " " + value + "\n"
		}
	}
	files := h.Files.(vipFiles)
	for _, name := range files.list() {
		s += name + "\n" + files[name]
	}
	return s
}

// vipBudget lets so many edits pass and then kills.
type vipBudget int

var errVIPKilled = errors.New("killed")

func (b *vipBudget) spend() error {
	if *b == 0 {
		return errVIPKilled
	}
	*b--
	return nil
}

// vipKernel is this thread's host, with a budget of edits (-1: any number).
func vipKernel(files vipFiles, budget *vipBudget) *host.Host {
	return &host.Host{
		Files:  vipMeteredFiles{files, budget},
		Sysctl: vipMeteredSysctl{vipSysctl{}, budget},
		Links:  vipMeteredLinks{lvsdr.Local().Links, budget},
		Routes: vipMeteredRoutes{lvsdr.Local().Routes, budget},
	}
}

type vipMeteredFiles struct {
	vipFiles
	b *vipBudget
}

func (f vipMeteredFiles) WriteFile(name string, data []byte, perm fs.FileMode) error {
	if err := f.b.spend(); err != nil {
		return err
	}
	return f.vipFiles.WriteFile(name, data, perm)
}

func (f vipMeteredFiles) Remove(name string) error {
	if err := f.b.spend(); err != nil {
		return err
	}
	return f.vipFiles.Remove(name)
}

type vipMeteredSysctl struct {
	host.Sysctl
	b *vipBudget
}

func (s vipMeteredSysctl) Set(key, value string) error {
	if err := s.b.spend(); err != nil {
		return err
	}
	return s.Sysctl.Set(key, value)
}

type vipLinks = host.Links // a field of its name would hide its method

type vipMeteredLinks struct {
	vipLinks
	b *vipBudget
}

func (l vipMeteredLinks) SetUp(ctx context.Context, link string, up bool) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.SetUp(ctx, link, up)
}

func (l vipMeteredLinks) AddAddress(ctx context.Context, a host.Address) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.AddAddress(ctx, a)
}

func (l vipMeteredLinks) RemoveAddress(ctx context.Context, a host.Address) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.RemoveAddress(ctx, a)
}

func (l vipMeteredLinks) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.Announce(ctx, link, addrs...)
}

type vipMeteredRoutes struct {
	host.Routes
	b *vipBudget
}

func (r vipMeteredRoutes) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	if err := r.b.spend(); err != nil {
		return err
	}
	return r.Routes.AddBlackhole(ctx, addr)
}

func (r vipMeteredRoutes) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	if err := r.b.spend(); err != nil {
		return err
	}
	return r.Routes.RemoveBlackhole(ctx, addr)
}
