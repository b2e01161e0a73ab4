package linux_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// The process's first thread stays where it is: one that a test has moved ends with
// the test, but that one only with the process.
func init() { runtime.LockOSThread() }

// elsewhere calls f on a thread in the namespaces that the process began in: a
// goroutine does not share the thread that OwnNetns has locked.
func elsewhere(f func() error) error {
	done := make(chan error)
	go func() { done <- f() }()
	return <-done
}

// Each view of Local looks at the network namespace of the thread that called it,
// from wherever it is asked.
func TestLocalBindsEachView(t *testing.T) {
	lab.OwnNetns(t, "cable here0 there0", "addr add 192.0.2.1/24 dev here0", "addr add 192.0.2.2/32 dev there0",
		"neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev here0 nud permanent", "link set lo up")
	socket, err := net.Listen("tcp4", "192.0.2.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	port := netip.MustParseAddrPort(socket.Addr().String()).Port()
	sleep := exec.Command("sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Process.Kill(); _ = sleep.Wait() }()
	h := linux.Local()

	ctx := t.Context()
	for view, look := range map[string]func() (bool, error){
		"Links": func() (bool, error) {
			all, err := h.Links.Links(ctx)
			return len(all) == 3, err
		},
		"Sysctl": func() (bool, error) {
			value, err := h.Sysctl.Get("net/ipv4/conf/here0/arp_ignore")
			return value != "", err
		},
		"Routes": func() (bool, error) {
			r, err := h.Routes.To(ctx, netip.MustParseAddr("192.0.2.77"))
			return r.Link == "here0", err
		},
		"Neighbours": func() (bool, error) {
			all, err := h.Observer.Neighbours(ctx)
			return slices.ContainsFunc(all, func(n host.Neighbour) bool { return n.State == "PERMANENT" }), err
		},
		"Listeners": func() (bool, error) {
			all, err := h.Observer.Listeners(ctx)
			return len(all) == 1 && all[0].Port == port && all[0].Process != "", err
		},
		"Processes": func() (bool, error) {
			all, err := h.Observer.Processes(ctx)
			return slices.Equal(all, []string{"sleep"}), err
		},
		"Wire": func() (bool, error) {
			who, err := h.Wire.Ask(ctx, "here0", []probe.Question{{Target: netip.MustParseAddr("192.0.2.2")}}, 0)
			return len(who) == 1, err
		},
		"Sysctl.Set": func() (bool, error) {
			return true, h.Sysctl.Set("net/ipv4/conf/here0/arp_ignore", "1")
		},
		"IPVS": func() (bool, error) {
			all, err := h.IPVS.Services(ctx, ipvs.Plain)
			return len(all) == 0, err
		},
	} {
		if err := elsewhere(func() error {
			right, err := look()
			if !right {
				err = errors.Join(err, errors.New("not what is in the namespace"))
			}
			return err
		}); err != nil {
			t.Errorf("%s: %v", view, err)
		}
	}
}

// A command that a view runs is in the namespace, too.
func TestLocalBindsFirewalls(t *testing.T) {
	lab.Need(t, lab.NFT)
	lab.OwnNetns(t)
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader("table inet mine { chain input { type filter hook input priority 0; ct state new drop; }; }")
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h := linux.Local()
	if err := elsewhere(func() error {
		i := slices.IndexFunc(h.Firewalls, func(f host.Firewall) bool { return f.Name() == "nftables" })
		gates, err := h.Firewalls[i].Gates(t.Context())
		if !slices.ContainsFunc(gates, func(g host.Gate) bool { return g.Name == "inet mine input" }) {
			err = errors.Join(err, errors.New("the chain of the namespace is not there"))
		}
		return err
	}); err != nil {
		t.Errorf("gates: %v", err)
	}
	if err := elsewhere(func() error {
		rules, err := h.Observer.Rules(t.Context())
		if err == nil && !rules.Tracked() {
			err = errors.New("the rule of the namespace is not there")
		}
		return err
	}); err != nil {
		t.Errorf("rules: %v", err)
	}
}

// The files are those of the thread's mount namespace.
func TestLocalBindsMounts(t *testing.T) {
	lab.Need(t, lab.Netns)
	folder := t.TempDir()
	var h *host.Host
	if err := linux.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", folder, "tmpfs", 0, ""); err != nil {
			return err
		}
		h = linux.Local()
		return h.Files.WriteFile(filepath.Join(folder, "mine"), []byte("x"), 0o600)
	}); err != nil {
		t.Fatal(err)
	}
	if data, err := h.Files.ReadFile(filepath.Join(folder, "mine")); err != nil || string(data) != "x" {
		t.Errorf("read from another thread: %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "mine")); err == nil {
		t.Error("the file is in the process's own mount namespace")
	}
}

// Where all threads are in one namespace a call costs nothing more: it is made on
// the thread that it comes from, and no file is kept open.
func TestLocalOfOneNamespace(t *testing.T) {
	before := openFiles(t)
	var got string
	// The threads of other tests take a moment to end.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		h := linux.Local()
		if got = fmt.Sprintf("%T", h.Links); got == "linux.linuxLinks" {
			break
		}
	}
	if got != "linux.linuxLinks" {
		t.Errorf("the view of the links is %s", got)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d before", after, before)
	}
}

// openFiles counts the process's open files.
func openFiles(t *testing.T) int {
	t.Helper()
	runtime.GC() // those of other tests' hosts
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// A socket that cannot be had is the error of the first use, and of it alone.
func TestFirstUseTellsWhatIsMissing(t *testing.T) {
	h := linux.Local()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := h.IPVS.Services(context.Background(), ipvs.Plain)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("without a file to be had: %v", err)
	}
	if _, err := h.IPVS.Services(context.Background(), ipvs.Plain); err != nil {
		t.Errorf("again: %v", err)
	}
}

// A file that is garbage is closed: a program may make any number of hosts.
func TestLocalLeavesNothingOpen(t *testing.T) {
	lab.OwnNetns(t)
	before := openFiles(t)
	for range 50 {
		if _, err := linux.Local().IPVS.Services(t.Context(), ipvs.Plain); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if openFiles(t) <= before {
			return
		}
	}
	t.Errorf("%d files are open, %d before", openFiles(t), before)
}
