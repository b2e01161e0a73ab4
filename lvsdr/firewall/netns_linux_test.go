//go:build linux

package firewall_test

import (
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

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"golang.org/x/sys/unix"
)

// fwMissing skips the test, or fails it when LVSDR_TEST_REQUIRE names the feature.
func fwMissing(t *testing.T, feature, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), feature) {
		t.Fatalf("%s is required: %s", feature, why)
	}
	t.Skip(why)
}

// An fwHost is a network namespace with the thread that lives in it.
type fwHost struct {
	t    *testing.T
	work chan func()
	tid  int
	root string // of its files
}

// newFwHost makes a namespace with lo up. It ends with the test.
func newFwHost(t *testing.T) *fwHost {
	t.Helper()
	h := &fwHost{t: t, work: make(chan func()), root: t.TempDir()}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		h.tid = unix.Gettid()
		made <- err
		for f := range h.work {
			f()
		}
	}()
	t.Cleanup(func() { close(h.work) })
	if err := <-made; err != nil {
		fwMissing(t, "netns", fmt.Sprintf("no new network namespace: %v", err))
	}
	h.sh("ip link set lo up")
	return h
}

// do runs f in the namespace.
func (h *fwHost) do(f func()) {
	done := make(chan bool)
	h.work <- func() { defer close(done); f() }
	<-done
}

// sh runs a line of shell in the namespace and returns what it printed.
func (h *fwHost) sh(line string) string {
	h.t.Helper()
	var out []byte
	var err error
	h.do(func() { out, err = exec.Command("sh", "-ec", line).CombinedOutput() })
	if err != nil {
		h.t.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// nft loads rules.
func (h *fwHost) nft(rules string) {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.sh("nft -f " + file)
}

func (h *fwHost) ruleset() string { return h.sh("nft list ruleset") }

// fwLAN makes a host with VIPs and a client beside it.
func fwLAN(t *testing.T) (box, client *fwHost) {
	t.Helper()
	box, client = newFwHost(t), newFwHost(t)
	box.sh(fmt.Sprintf("ip link add eth0 type veth peer name eth0 netns %d", client.tid))
	for _, line := range []string{
		"ip addr add 10.10.10.30/24 dev eth0", "ip addr add 10.10.10.22/32 dev eth0",
		"ip addr add fd00::30/64 dev eth0 nodad", "ip addr add fd00::22/128 dev eth0 nodad", "ip link set eth0 up",
	} {
		box.sh(line)
	}
	client.sh("ip addr add 10.10.10.99/24 dev eth0; ip addr add fd00::99/64 dev eth0 nodad; ip link set eth0 up")
	return box, client
}

// listen accepts connections in the namespace until the test ends.
func (h *fwHost) listen(addr string) {
	h.t.Helper()
	var l net.Listener
	var err error
	h.do(func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
}

// reaches tells whether a connection from the namespace comes about.
func (h *fwHost) reaches(addr string, patience time.Duration) bool {
	var err error
	h.do(func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", addr, patience); err == nil {
			c.Close()
		}
	})
	return err == nil
}

func (h *fwHost) wantOpen(addr string) {
	h.t.Helper()
	if !h.reaches(addr, 10*time.Second) {
		h.t.Errorf("%s is closed", addr)
	}
}

func (h *fwHost) wantClosed(addr string) {
	h.t.Helper()
	if h.reaches(addr, 300*time.Millisecond) {
		h.t.Errorf("%s is open", addr)
	}
}

func fwTool(t *testing.T, name, feature string) {
	t.Helper()
	if filter.Tool(name) == "" {
		fwMissing(t, feature, "no "+name+" command")
	}
}

func opening(t *testing.T, text string) host.Opening {
	t.Helper()
	proto, rest, _ := strings.Cut(text, " ")
	p, err := ipvs.ParseProtocol(proto)
	if err != nil {
		t.Fatal(err)
	}
	if ap, err := netip.ParseAddrPort(rest); err == nil {
		return host.Opening{VIP: ap.Addr(), Protocol: p, Port: ap.Port()}
	}
	return host.Opening{VIP: netip.MustParseAddr(rest), Protocol: p}
}

func fwOpenings(t *testing.T, texts ...string) []host.Opening {
	t.Helper()
	var all []host.Opening
	for _, text := range texts {
		all = append(all, opening(t, text))
	}
	return host.SortOpenings(all)
}
