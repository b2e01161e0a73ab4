package lvsdrtest_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

func mac(t *testing.T, last string) net.HardwareAddr {
	t.Helper()
	m, err := net.ParseMAC("02:00:00:00:00:" + last)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The LAN is the same text on every host; none meets itself on it.
func TestWire(t *testing.T) {
	vip, web := netip.MustParseAddr("10.10.10.22"), netip.MustParseAddrPort("10.10.10.22:80")
	for answering, w := range []*lvsdrtest.World{
		lvsdrtest.Director(lvsdrtest.HealthyLAN()), lvsdrtest.Client(lvsdrtest.HealthyLAN()),
	} {
		wire := w.Host().Wire
		answers, err := wire.Ask(ctx, "eth0", []probe.Question{{Target: vip}, {Target: netip.MustParseAddr("fd00:10::31")}}, 0)
		if err != nil || len(answers[0]) != answering || len(answers[1]) != 1 {
			t.Errorf("Ask: %v, %v", answers, err)
		}
		replies, err := wire.Knock(ctx, "eth0", []probe.Knock{
			{To: web, MAC: mac(t, "31")}, {To: web, MAC: mac(t, "01")}, {To: netip.MustParseAddrPort("10.10.10.1:80"), MAC: mac(t, "01")},
		}, 0)
		want := []probe.Outcome{probe.Accepted, probe.Silent, probe.Reset}
		if err != nil || !slices.EqualFunc(replies, want, func(r probe.Reply, o probe.Outcome) bool { return r.Outcome == o }) {
			t.Errorf("Knock: %v, %v", replies, err)
		}
	}
	wire := lvsdrtest.Client(lvsdrtest.HealthyLAN()).Host().Wire
	var turns []string
	for range 4 {
		r := must(wire.Knock(ctx, "eth0", []probe.Knock{{To: web, MAC: mac(t, "30")}}, 0))
		turns = append(turns, r[0].MAC.String()[15:])
	}
	if !slices.Equal(turns, []string{"31", "32", "31", "32"}) {
		t.Errorf("replies came from %v", turns)
	}
	if n, err := wire.Fetch(ctx, web, 500); err != nil || n != 100000 {
		t.Errorf("Fetch: %d, %v", n, err)
	}
	for to, want := range map[string]error{
		"10.10.10.30:81": syscall.ECONNREFUSED, "10.10.10.77:80": syscall.EHOSTUNREACH, "10.10.10.22:81": nil,
	} {
		if _, err := wire.Fetch(ctx, netip.MustParseAddrPort(to), 0); want != nil && !errors.Is(err, want) || err == nil {
			t.Errorf("Fetch %s: %v", to, err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestObserver(t *testing.T) {
	w := lvsdrtest.RealServer("ip addr add 10.10.10.22/32 dev lo", "listen tcp [::]:80 nginx", "close tcp [::]:81", "ps add nginx",
		"sysctl -w net.ipv4.conf.eth0.rp_filter=1", "ip link add eth1 address 02:00:00:00:01:31 type veth", "ip link set eth1 up",
		"ip addr add 10.10.20.31/24 dev eth1", "conn add tcp NONE 10.10.10.1:0 10.10.10.22:80 10.10.10.31:80 9")
	o := w.Host().Observer
	vip := netip.MustParseAddr("10.10.10.22")
	if l := must(o.Listeners(ctx)); len(l) != 1 || !l[0].Takes(vip, 80, cluster.TCP) {
		t.Errorf("listeners %v", l)
	}
	if c := must(o.Connections(ctx)); len(c) != 0 {
		t.Errorf("connections without IPVS: %v", c)
	}
	if p := must(o.Local(ctx, "lo")); !slices.Contains(p, netip.PrefixFrom(vip, 32)) {
		t.Errorf("local %v", p)
	}
	if r, err := o.RouteOf(ctx, host.RouteQuery{To: vip, From: netip.MustParseAddr("192.0.2.1"), In: "eth0"}); err != nil || !r.Local {
		t.Errorf("from afar: %+v, %v", r, err)
	}
	if r, err := o.RouteOf(ctx, host.RouteQuery{To: vip, From: netip.MustParseAddr("10.10.20.1"), In: "eth0"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("by the wrong interface: %+v, %v", r, err)
	}
	w.Fail("Observer.Processes", os.ErrPermission)
	if _, err := o.Processes(ctx); !errors.Is(err, os.ErrPermission) {
		t.Errorf("made to fail: %v", err)
	}
}
