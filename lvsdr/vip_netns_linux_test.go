package lvsdr

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// vipNetns puts the test into a network namespace of its own, whose thread is
// never given back, and runs lines of ip(8) in it. In it, "cable A B" makes two
// ends of a cable, both up.
func vipNetns(t *testing.T, lines ...string) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), "netns") {
			t.Fatalf("network namespace: %v", err)
		}
		t.Skipf("network namespace: %v", err)
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if words[0] != "cable" {
			if out, err := exec.Command("ip", words...).CombinedOutput(); strings.Contains(line, "type dummy") && err != nil {
				t.Skipf("this kernel has no dummy interfaces: %s", out)
			} else if err != nil {
				t.Fatalf("ip %s: %v: %s", line, err, out)
			}
			continue
		}
		vipIP(t, "link", "add", words[1], "type", "veth", "peer", "name", words[2])
		for _, end := range words[1:] {
			vipIP(t, "link", "set", end, "addrgenmode", "none") // no DAD that ends some time
			vipIP(t, "link", "set", end, "up")
		}
		for strings.Contains(vipIP(t, "link"), "LOWERLAYERDOWN") { // the kernel tells carriers later
			time.Sleep(time.Millisecond)
		}
	}
}

func vipIP(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command("ip", words...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// vipState is everything a role could leave on a host.
func vipState(t *testing.T, h *Host) string {
	t.Helper()
	vipSettle(t)
	// A link that was up once keeps its queue.
	s := strings.ReplaceAll(vipIP(t, "addr"), "qdisc noqueue state DOWN", "qdisc noop state DOWN")
	s += vipIP(t, "route", "show", "table", "all") + vipIP(t, "-6", "route", "show", "table", "all")
	for _, link := range []string{"all", "lo", "eth0"} {
		if value, err := h.Sysctl.Get(promoteSysctl(link)); err == nil {
			s += promoteSysctl(link) + " " + value + "\n"
		}
	}
	files := h.Files.(vipFiles)
	for _, name := range files.list() {
		s += name + "\n" + files[name]
	}
	return s
}

// vipSettle waits for the local routes of the IPv6 addresses, which the kernel adds
// a moment later, even without duplicate address detection.
func vipSettle(t *testing.T) {
	t.Helper()
	for {
		addresses, err := linuxLinks{}.Addresses(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		routes := vipIP(t, "-6", "route", "show", "table", "local")
		if !slices.ContainsFunc(addresses, func(a Address) bool {
			return a.Prefix.Addr().Is6() && !strings.Contains(routes, "local "+a.Prefix.Addr().String()+" ")
		}) {
			return
		}
		time.Sleep(time.Millisecond)
	}
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
func vipKernel(files vipFiles, budget *vipBudget) *Host {
	return &Host{
		Files:  vipMeteredFiles{files, budget},
		Sysctl: vipMeteredSysctl{vipSysctl{}, budget},
		Links:  vipMeteredLinks{linuxLinks{}, budget},
		Routes: vipMeteredRoutes{linuxRoutes{}, budget},
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
	Sysctl
	b *vipBudget
}

func (s vipMeteredSysctl) Set(key, value string) error {
	if err := s.b.spend(); err != nil {
		return err
	}
	return s.Sysctl.Set(key, value)
}

type vipLinks = Links // a field of its name would hide its method

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

func (l vipMeteredLinks) AddAddress(ctx context.Context, a Address) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.AddAddress(ctx, a)
}

func (l vipMeteredLinks) RemoveAddress(ctx context.Context, a Address) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.RemoveAddress(ctx, a)
}

func (l vipMeteredLinks) Announce(ctx context.Context, link string, addr netip.Addr) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.Announce(ctx, link, addr)
}

type vipMeteredRoutes struct {
	Routes
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
