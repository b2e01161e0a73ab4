package lvsdr_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// draining is the mission's cluster with another VIP, scheduler sh and time to drain.
func draining(vip string, rips ...string) cluster.Config {
	limit := seconds(20)
	return cluster.Config{Drain: &limit, Services: []cluster.Service{{
		VIP: addr(vip), Ports: web, Scheduler: "sh", RealServers: servers(rips...),
	}}}
}

// make brings the host to a role and tells what the host is while it drains.
func apply(ctx context.Context, t *testing.T, w *lvsdrtest.World, r lvsdr.Role, waiting func([]step.Busy)) ([]step.Change, error) {
	t.Helper()
	return r.Apply(step.WithDrainTrace(ctx, step.DrainTrace{Waiting: func(left []step.Busy, _ time.Duration) {
		if waiting == nil {
			t.Fatalf("waits for %v", left)
		}
		waiting(left)
	}}), w.Host(), step.Present)
}

func mustDirector(t *testing.T, c cluster.Config) lvsdr.Role {
	t.Helper()
	r, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The new VIP serves before the old one drains, and nothing of the old one is taken away
// while it does: nobody waits for a drain.
func TestReplacedVIPDrainsBehindTheNewOne(t *testing.T) {
	w := lvsdrtest.Director(worlds["iptables"])
	if _, err := apply(t.Context(), t, w, mustDirector(t, draining("10.10.10.22", "10.10.10.41")), nil); err != nil {
		t.Fatal(err)
	}
	web := ipvs.ID{Addr: addr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}
	at := netip.MustParseAddrPort("10.10.10.41:80")
	w.Connect(web, at, 3)
	next := mustDirector(t, draining("10.10.10.23", "10.10.10.41"))
	planned, err := next.Plan(t.Context(), w.Host(), step.Present)
	if err != nil {
		t.Fatal(err)
	}
	during := ""
	made, err := apply(t.Context(), t, w, next, func(left []step.Busy) {
		if !slices.Equal(left, []step.Busy{{Service: web, RealServer: at, Connections: 3}}) {
			t.Errorf("waits for %v", left)
		}
		during = w.Dump()
		w.Connect(web, at, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"ip addr add 10.10.10.23/32 dev eth0", "ipvsadm -A -t 10.10.10.23:80", "ipvsadm -a -t 10.10.10.23:80 -r 10.10.10.41:80 -g -w 1", "-d 10.10.10.23",
		"ip addr add 10.10.10.22/32 dev eth0", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.41:80 -g -w 0", "-d 10.10.10.22",
	} {
		if !strings.Contains(during, line) {
			t.Errorf("while it drains, %q is missing in\n%s", line, during)
		}
	}
	if after := w.Dump(); strings.Contains(after, "10.10.10.22") {
		t.Errorf("afterwards the host is\n%s", after)
	}
	if !slices.Equal(texts(planned), texts(made)) {
		t.Errorf("planned\n%s\nmade\n%s", strings.Join(texts(planned), "\n"), strings.Join(texts(made), "\n"))
	}
}

func texts(changes []step.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Step+": "+c.String())
	}
	return all
}

// A real server that drops a VIP, or closes a port, keeps it while clients are connected.
func TestRealServerDrains(t *testing.T) {
	before := draining("10.10.10.22", "10.10.10.41")
	closed := draining("10.10.10.22", "10.10.10.41")
	closed.Services[0].Ports = []cluster.Port{{Number: 443, Protocol: cluster.TCP}}
	for name, next := range map[string]cluster.Config{
		"VIP": draining("10.10.10.23", "10.10.10.41"), "port": closed,
		"family": draining("fd00:10::22", "fd00:10::41"),
	} {
		t.Run(name, func(t *testing.T) {
			w := lvsdrtest.RealServer(worlds["iptables"])
			set(t, lvsdr.RealServer, before, w)
			if err := w.Run("established 10.10.10.22:80 2\nestablished 10.10.10.31:22 1"); err != nil {
				t.Fatal(err)
			}
			role, err := lvsdr.RealServer(next)
			if err != nil {
				t.Fatal(err)
			}
			during := ""
			_, err = apply(t.Context(), t, w, role, func(left []step.Busy) {
				if got := step.JoinBusy(left); got != "2 connections (tcp 10.10.10.22:80)" {
					t.Errorf("waits for %s", got)
				}
				during = w.Dump()
				_ = w.Run("established 10.10.10.22:80 0")
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{"ip addr add 10.10.10.22/32 dev lo", "--dport 80", "sysctl -w net.ipv4.conf.all.arp_ignore=1", "blackhole 10.10.10.22"} {
				if !strings.Contains(during, line) {
					t.Errorf("while it drains, %q is missing in\n%s", line, during)
				}
			}
			if vip := next.Services[0].VIP.String(); !strings.Contains(during, "ip addr add "+vip+"/") {
				t.Errorf("while it drains, %s is not there", vip)
			}
			if after := w.Dump(); strings.Contains(after, "-d 10.10.10.22/32 -p tcp -m tcp --dport 80") || name != "port" && strings.Contains(after, "add 10.10.10.22/32") {
				t.Errorf("afterwards the host is\n%s", after)
			}
		})
	}
}

// A drain that is broken off has told what it did; run again it goes on without refusing
// anybody for a moment, and with the description of before everything is as before.
func TestBrokenDrain(t *testing.T) {
	both, one := draining("10.10.10.22", "10.10.10.41", "10.10.10.42"), draining("10.10.10.22", "10.10.10.41")
	web := ipvs.ID{Addr: addr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}
	leaving := netip.MustParseAddrPort("10.10.10.42:80")
	w := lvsdrtest.Director("modprobe ip_vs_sh")
	set(t, lvsdr.Director, both, w)
	w.Connect(web, leaving, 3)
	whole := w.Dump()
	broken := func() []step.Change {
		ctx, cancel := context.WithCancel(t.Context())
		made, err := apply(ctx, t, w, mustDirector(t, one), func([]step.Busy) { cancel() })
		var of *step.DrainError
		if !errors.As(err, &of) || !errors.Is(err, context.Canceled) || len(of.Left) != 1 || of.Left[0].Connections != 3 {
			t.Fatalf("broken off: %v", err)
		}
		return made
	}
	want := []string{
		"service: set tcp 10.10.10.22:80: sh -> sh flags sh-fallback",
		"service: set tcp 10.10.10.22:80 -> 10.10.10.42:80: route weight 1 -> route weight 0",
	}
	if got := texts(broken()); !slices.Equal(got, want) {
		t.Errorf("made\n%s", strings.Join(got, "\n"))
	}
	// Back.
	set(t, lvsdr.Director, both, w)
	if after := w.Dump(); after != whole {
		t.Errorf("back again it is\n%s\nnot\n%s", after, whole)
	}
	// On, without a moment in which the clients of the leaving one are refused.
	broken()
	if again := broken(); len(again) > 0 {
		t.Errorf("made once more: %v", texts(again))
	}
	w.Connect(web, leaving, 0)
	rec := lvsdrtest.Record(w.Host())
	if _, err := mustDirector(t, one).Apply(t.Context(), rec.Host(), step.Present); err != nil {
		t.Fatal(err)
	}
	log := strings.Join(rec.Log(), "\n")
	gone, bare := strings.Index(log, "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.42:80"), strings.Index(log, "ipvsadm -E -t 10.10.10.22:80 -s sh\n")
	if bare >= 0 && bare < gone || gone < 0 {
		t.Errorf("the fallback ends before the real server is gone:\n%s", log)
	}
	if after := w.Dump(); strings.Contains(after, "fallback") || strings.Contains(after, "10.10.10.42") {
		t.Errorf("in the end it is\n%s", after)
	}
}
