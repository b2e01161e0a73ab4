package step_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ctlNetns runs f on a thread with a network namespace of its own, with the
// interfaces eth0 and eth0.100. In it f may not call t.Fatal.
func ctlNetns(t *testing.T, f func()) {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0.100"})
		}
		if err == nil {
			f()
		}
		result <- err
	}()
	err := <-result
	if err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), "netns") {
		t.Fatal(err)
	}
	t.Skip("needs a network namespace of its own: ", err)
}

// ctlRealHost has the thread's sysctls and files below a root of its own.
func ctlRealHost(root string) *host.Host {
	return &host.Host{Files: linux.OSFiles{Root: root}, Sysctl: linux.Local().Sysctl, Links: ctlRealLinks{}}
}

type ctlRealLinks struct{ ctlNoLinks }

func (ctlRealLinks) Links(context.Context) ([]host.Link, error) {
	interfaces, err := net.Interfaces()
	var links []host.Link
	for _, i := range interfaces {
		links = append(links, host.Link{Name: i.Name, Index: i.Index, Loopback: i.Flags&net.FlagLoopback != 0})
	}
	return links, err
}

// ctlSnapshot reads every sysctl that a role could touch, and every file below root.
func ctlSnapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, top := range []string{"/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/vs", root} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				values[path] = ""
				return nil
			}
			data, _ := os.ReadFile(path)
			values[path] = string(data)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return values
}

func ctlDiff(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if other, ok := got[key]; !ok || other != value {
			t.Errorf("%s: %s is %q (%v), not %q", what, key, other, ok, value)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %s is new", what, key)
		}
	}
}

// ctlBreaking lets through so many edits.
type ctlBreaking struct {
	host.Files
	host.Sysctl
	left int
}

func (b *ctlBreaking) edit() error {
	if b.left == 0 {
		return errCtlBroken
	}
	b.left--
	return nil
}

func (b *ctlBreaking) WriteFile(name string, data []byte, perm fs.FileMode) error {
	if err := b.edit(); err != nil {
		return err
	}
	return b.Files.WriteFile(name, data, perm)
}

func (b *ctlBreaking) Remove(name string) error {
	if err := b.edit(); err != nil {
		return err
	}
	return b.Files.Remove(name)
}

func (b *ctlBreaking) Set(key, value string) error {
	if err := b.edit(); err != nil {
		return err
	}
	return b.Sysctl.Set(key, value)
}

var ctlRealBefore = map[string]map[string]string{
	"plain":    {},
	"hardened": {"net/ipv4/conf/all/accept_redirects": "0"},
	"forwarding between two interfaces": {
		"net/ipv4/conf/eth0/forwarding": "1", "net/ipv4/conf/eth0.100/forwarding": "1", "net/ipv4/conf/default/forwarding": "1",
	},
	"a router": {"net/ipv4/ip_forward": "1"},
	"other ARP values": {
		"net/ipv4/conf/all/arp_ignore": "2", "net/ipv4/conf/lo/arp_ignore": "3", "net/ipv4/conf/all/arp_announce": "1",
	},
}

func TestRealSysctlsLaws(t *testing.T) {
	for name, values := range ctlRealBefore {
		for _, runtime := range []bool{false, true} {
			root := t.TempDir() + "/root"
			ctlNetns(t, func() {
				for _, key := range slices.Backward(slices.Sorted(maps.Keys(values))) {
					if err := linux.Local().Sysctl.Set(key, values[key]); err != nil {
						t.Error(err)
					}
				}
				h := ctlRealHost(root)
				h.Runtime = runtime
				if err := h.Files.WriteFile("/run/x", nil, 0o600); err != nil {
					t.Error(err)
				}
				ctlRealLaws(t, name, root, h)
			})
		}
	}
}

func ctlRealLaws(t *testing.T, name, root string, h *host.Host) {
	t.Helper()
	r := ctlRole(cluster.RealServerRole, ctlConfig("10.10.10.22"))
	ctx := context.Background()
	before := ctlSnapshot(t, root)
	plan, err := r.Plan(ctx, h, step.Present)
	if err != nil {
		t.Error(name, err)
	}
	ctlDiff(t, name+": plan", ctlSnapshot(t, root), before)
	every := 2 // the host in memory is broken off everywhere; here it takes the kernel's time
	if len(ctlRealBefore[name]) < 3 {
		every = len(plan)
	}
	for n := 0; n <= len(plan)+1; n += every {
		broken := &ctlBreaking{Files: h.Files, Sysctl: h.Sysctl, left: n}
		brokenHost := *h
		brokenHost.Files, brokenHost.Sysctl = broken, broken
		_, err := r.Up(ctx, &brokenHost)
		if err != nil && !errors.Is(err, errCtlBroken) {
			t.Error(name, err)
		}
		if n%4 == 0 || n >= len(plan) { // run again
			if _, err := r.Up(ctx, h); err != nil {
				t.Error(name, err)
			}
			if again, err := r.Plan(ctx, h, step.Present); len(again) > 0 || err != nil {
				t.Error(name, ctlStrings(again), err)
			}
		}
		if _, err := r.Down(ctx, h); err != nil {
			t.Error(name, err)
		}
		ctlDiff(t, name+": down", ctlSnapshot(t, root), before)
	}
}

func TestProcSys(t *testing.T) {
	ctlNetns(t, func() {
		const dotted = "net/ipv4/conf/eth0.100/arp_ignore"
		if err := linux.Local().Sysctl.Set(dotted, "1"); err != nil {
			t.Error(err)
		}
		if value, err := linux.Local().Sysctl.Get(dotted); value != "1" || err != nil {
			t.Errorf("%s is %q, %v", dotted, value, err)
		}
		for _, key := range []string{"net/ipv4/none", "net/ipv4/conf/none.100/arp_ignore"} {
			if _, err := linux.Local().Sysctl.Get(key); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("get %s: %v", key, err)
			}
			if err := linux.Local().Sysctl.Set(key, "1"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("set %s: %v", key, err)
			}
		}
		if err := linux.Local().Sysctl.Set(host.IPForward, "x"); !errors.Is(err, unix.EINVAL) {
			t.Errorf("set to nonsense: %v", err)
		}
	})
}

// TestDirectorOnIPVS sets up the modules and sysctls of a director on a kernel
// with IPVS.
func TestDirectorOnIPVS(t *testing.T) {
	if os.Getenv("LVSDR_TEST_GUEST") != "1" {
		t.Skip("loads modules: in a guest only")
	}
	root := t.TempDir() + "/root"
	ctlNetns(t, func() {
		h := ctlRealHost(root)
		h.Modules = linux.Local().Modules
		if err := h.Files.WriteFile("/run/x", nil, 0o600); err != nil {
			t.Error(err)
		}
		ctx := context.Background()
		before := ctlSnapshot(t, root)
		r := ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22"))
		made, err := r.Up(ctx, h)
		t.Log(ctlStrings(made))
		if err != nil {
			t.Error(err)
		}
		if again, err := r.Up(ctx, h); len(again) > 0 || err != nil {
			t.Error(ctlStrings(again), err)
		}
		for key, want := range map[string]string{
			"net/ipv4/vs/expire_nodest_conn": "1", "net/ipv4/vs/expire_quiescent_template": "1",
			"net/ipv4/vs/conn_reuse_mode": "2", "net/ipv4/conf/all/arp_announce": "2",
		} {
			if got, err := h.Sysctl.Get(key); got != want || err != nil {
				t.Errorf("%s is %q, %v", key, got, err)
			}
		}
		if _, err := r.Down(ctx, h); err != nil {
			t.Error(err)
		}
		for key, want := range ctlVS {
			if got, err := h.Sysctl.Get(key); got != want || err != nil {
				t.Errorf("down left %s at %q, %v", key, got, err)
			}
		}
		after := ctlSnapshot(t, root)
		for key := range after {
			if strings.HasPrefix(key, "/proc/sys/net/ipv4/vs") {
				delete(after, key) // came with the module, which stays
				delete(before, key)
			}
		}
		ctlDiff(t, "down", after, before)
	})
}
