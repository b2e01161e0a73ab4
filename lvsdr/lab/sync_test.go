//go:build linux

package lab_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// Two directors, each behind a firewall that lets in nothing, tell each other of their
// connections: one that is established lives on when its packets come to the other one.
func TestSyncedConnectionsLiveOn(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm)
	l := newLab(t)
	serve(t, l.RealServers...)
	second, err := l.Add(t.Context(), "second", netip.MustParsePrefix("10.10.10.33/24"), netip.MustParsePrefix("fd00:10::33/64"))
	if err != nil {
		t.Fatal(err)
	}
	c := describe("10.10.10.22", 1, 1)
	c.Sync = &cluster.Sync{Interface: "eth0"}
	for _, h := range []*lab.Host{l.Director, second} {
		closeAll(t, h)
		sh(t, h, "modprobe ip_vs")
	}
	setUp(t, l, c)
	role, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	standby := role // all but the VIP, which the first director has
	standby.Steps = role.Steps[:len(role.Steps)-1]
	up(t, second, standby)
	conn := keep(t, l, "10.10.10.22:80")
	waitForConnection(t, second, conn)
	if out := sh(t, second, "ipvsadm -L --daemon"); strings.Count(out, "sync daemon (mcast=eth0, syncid=1") != 2 {
		t.Errorf("the daemons are\n%s", out)
	}
	// The first director is switched off.
	sh(t, l.Director, "ip link set eth0 down")
	up(t, second, role)
	sh(t, l.Client, "ip neigh flush all")
	if err := conn.ask(); err != nil {
		t.Errorf("the connection has not lived on: %v", err)
	}
	if got := answers(t, l, "10.10.10.22", 4); got["dev-2"] != 2 || got["dev-3"] != 2 {
		t.Errorf("afterwards four requests went %v", got)
	}
	renamed(t, second, role)
	for _, h := range []*lab.Host{second} {
		if _, err := role.Down(t.Context(), h.LVS()); err != nil {
			t.Error(err)
		}
		if out := sh(t, h, "ipvsadm -L --daemon"); strings.TrimSpace(out) != "" {
			t.Errorf("after teardown: %s", out)
		}
	}
}

// renamed gives an interface another name: the daemons go on there, and the doctor says so.
func renamed(t *testing.T, h *lab.Host, role lvsdr.Role) {
	t.Helper()
	sh(t, h, "ip link set eth0 down; ip link set eth0 name lan0; ip link set lan0 up")
	for _, f := range role.Doctor(t.Context(), h.LVS()) {
		if f.Check == "sync-daemon" && (f.Severity != doctor.Warning || !strings.Contains(f.What, "is called lan0 now")) {
			t.Errorf("with its interface renamed: %s %s", f.Severity, f.What)
		}
	}
	sh(t, h, "ip link set lan0 down; ip link set lan0 name eth0; ip link set eth0 up")
}

// waitForConnection asks over a connection until a director knows it by being told.
func waitForConnection(t *testing.T, h *lab.Host, conn *keptConnection) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if err := conn.ask(); err != nil {
			t.Fatal(err)
		}
		all, err := h.LVS().Observer.Connections(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			if x.Client.String() == conn.LocalAddr().String() && x.State == "ESTABLISHED" {
				return
			}
		}
	}
	t.Fatalf("the other director is not told: it has\n%s", sh(t, h, "ipvsadm -L -n -c"))
}
