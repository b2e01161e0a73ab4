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

	"github.com/vishvananda/netlink"
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
	var batch []string // one process: they are dear in a guest
	for _, line := range lines {
		words := strings.Fields(line)
		if words[0] != "cable" {
			batch = append(batch, line)
			continue
		}
		batch = append(batch, "link add "+words[1]+" type veth peer name "+words[2])
		for _, end := range words[1:] {
			// No link-local address, whose DAD would end some time.
			batch = append(batch, "link set "+end+" addrgenmode none", "link set "+end+" up")
		}
	}
	if len(batch) > 0 {
		vipIP(t, batch...)
		vipWait(t, vipCarriers)
	}
}

// vipIP runs lines of ip(8) and returns what they print.
func vipIP(t *testing.T, lines ...string) string {
	t.Helper()
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "Unknown device type") {
		t.Skipf("this kernel has no such interfaces: %s: %s", strings.Join(lines, "; "), out)
	}
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(lines, "; "), err, out)
	}
	return string(out)
}

func vipWait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// vipCarriers tells that no link waits for its carrier, which the kernel tells of
// a little later.
func vipCarriers() bool {
	links, _ := netlink.LinkList()
	return !slices.ContainsFunc(links, func(l netlink.Link) bool {
		return l.Attrs().OperState == netlink.OperLowerLayerDown
	})
}

// vipSettled tells that the local routes of the IPv6 addresses are there, which the
// kernel adds a moment later, even without duplicate address detection.
func vipSettled() bool {
	addresses, _ := linuxLinks{}.Addresses(context.Background())
	routes, _ := netlink.RouteListFiltered(unix.AF_INET6, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
	return !slices.ContainsFunc(addresses, func(a Address) bool {
		return a.Prefix.Addr().Is6() && !slices.ContainsFunc(routes, func(r netlink.Route) bool {
			return r.Dst != nil && r.Dst.IP.Equal(a.Prefix.Addr().AsSlice())
		})
	})
}

// vipState is everything a role could leave on a host.
func vipState(t *testing.T, h *Host) string {
	t.Helper()
	vipWait(t, vipSettled)
	// A link that was up once keeps its queue.
	s := strings.ReplaceAll(vipIP(t, "addr", "route show table all"), "qdisc noqueue state DOWN", "qdisc noop state DOWN")
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

func (l vipMeteredLinks) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	if err := l.b.spend(); err != nil {
		return err
	}
	return l.vipLinks.Announce(ctx, link, addrs...)
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
