package linux_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

func TestNeighbours(t *testing.T) {
	observerNetns(t)
	lab.IP(t, "neigh add 10.10.10.22 lladdr 02:00:00:00:00:30 dev eth0 nud permanent",
		"neigh add fd00:10::22 lladdr 02:00:00:00:00:30 dev eth0 nud stale")
	all, err := linux.Local().Observer.Neighbours(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for addr, state := range map[string]string{"10.10.10.22": "PERMANENT", "fd00:10::22": "STALE"} {
		ok := slices.ContainsFunc(all, func(n host.Neighbour) bool {
			return n.Addr == netip.MustParseAddr(addr) && n.State == state && n.Link == "eth0" && n.MAC.String() == "02:00:00:00:00:30"
		})
		if !ok {
			t.Errorf("no %s in %+v", addr, all)
		}
	}
}

func TestRouteOf(t *testing.T) {
	observerNetns(t)
	lab.IP(t, "addr add 10.10.10.22/32 dev lo", "route add default via 10.10.10.1", "route add unreachable 203.0.113.9",
		"route add local 10.10.11.0/24 dev lo")
	vip, client := netip.MustParseAddr("10.10.10.22"), netip.MustParseAddr("203.0.113.8")
	o := linux.Local().Observer
	in, err := o.RouteOf(t.Context(), host.RouteQuery{To: vip, From: client, In: "eth0"})
	if err != nil || !in.Local {
		t.Errorf("in: %+v, %v", in, err)
	}
	back, err := o.RouteOf(t.Context(), host.RouteQuery{To: client, From: vip})
	if want := (host.Route{Link: "eth0", Gateway: netip.MustParseAddr("10.10.10.1"), Source: vip}); err != nil || back.Link != want.Link || back.Gateway != want.Gateway {
		t.Errorf("back: %+v, %v", back, err)
	}
	for _, q := range []host.RouteQuery{
		{To: netip.MustParseAddr("203.0.113.9"), From: vip},
		{To: netip.MustParseAddr("10.10.99.1"), From: client, In: "eth0"}, // no forwarding
	} {
		if r, err := o.RouteOf(t.Context(), q); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: %+v, %v", q, r, err)
		}
	}
	local, err := o.Local(t.Context(), "lo")
	if err != nil || !slices.Contains(local, netip.MustParsePrefix("10.10.10.22/32")) || !slices.Contains(local, netip.MustParsePrefix("10.10.11.0/24")) {
		t.Errorf("local: %v, %v", local, err)
	}
	if _, err := o.Local(t.Context(), "eth9"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such link: %v", err)
	}
}

// TestProcesses: those of another namespace do not count.
func TestProcesses(t *testing.T) {
	observerNetns(t)
	// A name that the kernel cuts.
	name := t.TempDir() + "/systemd-networkd"
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(sleep, name); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all, err := linux.Local().Observer.Processes(t.Context())
	if err != nil || !slices.Equal(all, []string{"systemd-networkd"}) {
		t.Errorf("got %q, %v", all, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
