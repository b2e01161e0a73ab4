package step_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var web = ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}

// drainConfig is one service on a port, with scheduler sh or another, and real servers.
func drainConfig(port uint16, scheduler string, drain time.Duration, servers ...string) cluster.Config {
	limit := cluster.Duration(drain)
	s := cluster.Service{VIP: web.Addr, Ports: []cluster.Port{{Number: port, Protocol: ipvs.TCP}}, Scheduler: scheduler}
	for _, a := range servers {
		s.RealServers = append(s.RealServers, cluster.RealServer{Address: netip.MustParseAddr(a)})
	}
	return cluster.Config{Services: []cluster.Service{s}, Drain: &limit}
}

// raise brings the services of c onto the host, and tells how it drained.
func raise(ctx context.Context, t *testing.T, w *lvsdrtest.World, c cluster.Config, trace step.DrainTrace) {
	t.Helper()
	s := step.DirectorServices(c).(step.Applier)
	changes, err := s.Plan(ctx, w.Host(), step.Present)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(step.WithDrainTrace(ctx, trace), w.Host(), changes); err != nil {
		t.Fatal(err)
	}
}

func drainHost(t *testing.T, c cluster.Config) *lvsdrtest.World {
	w := lvsdrtest.Director("modprobe ip_vs\nmodprobe ip_vs_wrr\nmodprobe ip_vs_sh\nmodprobe ip_vs_mh")
	raise(t.Context(), t, w, c, step.DrainTrace{})
	return w
}

// While a real server drains, a hash scheduler finds another one for its clients, and
// afterwards it is as configured again.
func TestDrainFallsBack(t *testing.T) {
	for _, scheduler := range []string{"sh", "mh"} {
		w := drainHost(t, drainConfig(80, scheduler, 10*time.Second, "10.10.10.31", "10.10.10.32"))
		leaving := netip.MustParseAddrPort("10.10.10.32:80")
		w.Connect(web, leaving, 3)
		during := ""
		raise(t.Context(), t, w, drainConfig(80, scheduler, 10*time.Second, "10.10.10.31"), step.DrainTrace{
			Waiting: func(left []step.Busy, most time.Duration) {
				if want := (step.Busy{Service: web, RealServer: leaving, Connections: 3}); !slices.Equal(left, []step.Busy{want}) || most != 10*time.Second {
					t.Errorf("%s: waits %v for %v", scheduler, most, left)
				}
				during = w.Dump()
				w.Connect(web, leaving, 0)
			},
		})
		if !strings.Contains(during, scheduler+"-fallback") || !strings.Contains(during, "-r 10.10.10.32:80 -g -w 0") {
			t.Errorf("%s: while it drains the host is\n%s", scheduler, during)
		}
		if after := w.Dump(); strings.Contains(after, "fallback") || strings.Contains(after, "10.10.10.32") {
			t.Errorf("%s: afterwards the host is\n%s", scheduler, after)
		}
	}
}

// A service that is replaced lets its connections end first, and tells what it cuts.
func TestReplacedServiceDrains(t *testing.T) {
	w := drainHost(t, drainConfig(80, "wrr", time.Second, "10.10.10.31"))
	w.Connect(web, netip.MustParseAddrPort("10.10.10.31:80"), 5)
	var cut []step.Busy
	waited := ""
	raise(t.Context(), t, w, drainConfig(8080, "wrr", 300*time.Millisecond, "10.10.10.31"), step.DrainTrace{
		Waiting: func([]step.Busy, time.Duration) { waited = w.Dump() },
		Over:    func(left []step.Busy) { cut = left },
	})
	if !strings.Contains(waited, "-A -t 10.10.10.22:8080") || !strings.Contains(waited, "10.10.10.22:80 -r 10.10.10.31:80 -g -w 0") {
		t.Errorf("while it drains the host is\n%s", waited)
	}
	if len(cut) != 1 || cut[0].Connections != 5 {
		t.Errorf("cut %v", cut)
	}
	if after := w.Dump(); strings.Contains(after, "10.10.10.22:80 ") {
		t.Errorf("afterwards the host is\n%s", after)
	}
	// Out of patience: at once.
	raise(t.Context(), t, w, drainConfig(80, "wrr", 0, "10.10.10.31"), step.DrainTrace{
		Waiting: func([]step.Busy, time.Duration) { t.Error("waits with drain 0") },
	})
}

// Half-open connections are nobody's: a drain does not wait for them.
func TestDrainPassesOverHalfOpen(t *testing.T) {
	w := drainHost(t, drainConfig(80, "wrr", time.Minute, "10.10.10.31", "10.10.10.32"))
	w.Connect(web, netip.MustParseAddrPort("10.10.10.32:80"), 1)
	if err := w.Run("conn add tcp SYN_RECV 10.10.10.100:40000 10.10.10.22:80 10.10.10.32:80 60"); err != nil {
		t.Fatal(err)
	}
	raise(t.Context(), t, w, drainConfig(80, "wrr", time.Minute, "10.10.10.31"), step.DrainTrace{
		Waiting: func(left []step.Busy, _ time.Duration) { t.Fatalf("waits for %v", left) },
	})
}

// Of a table with very many connections only some are listed: those that the kernel
// counts and the list has not are waited for.
func TestDrainWaitsForTheUnlisted(t *testing.T) {
	w := drainHost(t, drainConfig(80, "wrr", time.Minute, "10.10.10.31", "10.10.10.32"))
	leaving := netip.MustParseAddrPort("10.10.10.32:80")
	w.Connect(web, leaving, 3)
	if err := w.Run("conn add tcp SYN_RECV 10.10.10.100:40000 10.10.10.22:80 10.10.10.32:80 60"); err != nil {
		t.Fatal(err)
	}
	waited := 0
	raise(t.Context(), t, w, drainConfig(80, "wrr", time.Minute, "10.10.10.31"), step.DrainTrace{
		Waiting: func(left []step.Busy, _ time.Duration) {
			waited = left[0].Connections
			w.Connect(web, leaving, 0)
		},
	})
	if waited != 2 {
		t.Errorf("waits for %d, not the 2 that are not half-open", waited)
	}
}
