package step_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

const foreignService = `modprobe ip_vs
modprobe ip_vs_rr
modprobe ip_vs_wrr
ipvsadm -A -t 10.10.10.22:80 -s rr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 7
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.99:80 -g -w 1`

func serviceConfig() cluster.Config {
	server := func(a string) cluster.RealServer { return cluster.RealServer{Address: netip.MustParseAddr(a)} }
	return cluster.Config{Services: []cluster.Service{{
		VIP: netip.MustParseAddr("10.10.10.22"), Ports: []cluster.Port{{Number: 80}, {Number: 443}},
		RealServers: []cluster.RealServer{server("10.10.10.31"), server("10.10.10.32")},
	}}}
}

// doEach plans and makes at most the first n changes, each twice on its own.
func doEach(t *testing.T, w *lvsdrtest.World, s step.Step, want step.State, n int) int {
	t.Helper()
	changes, err := s.Plan(t.Context(), w.Host(), want)
	if err != nil {
		t.Fatal(err)
	}
	changes = changes[:min(n, len(changes))]
	for _, c := range changes {
		for range 2 {
			if err := c.Do(t.Context()); err != nil {
				t.Errorf("%v: %s: %v", want, c, err)
			}
		}
	}
	return len(changes)
}

// Each change of the service step may be made on its own, again, and a run of them
// broken off anywhere: what is left is then due, and nothing that was there before
// is forgotten.
func TestServiceChangesOneByOne(t *testing.T) {
	const all = 100
	for n := range 8 {
		for name, start := range map[string]string{"empty table": "modprobe ip_vs\nmodprobe ip_vs_wrr", "foreign service": foreignService} {
			w := lvsdrtest.Director(start)
			s := step.DirectorServices(serviceConfig())
			before := w.Dump()
			doEach(t, w, s, step.Present, n)
			if made := n + doEach(t, w, s, step.Present, all); made < 6 {
				t.Errorf("%s: %d changes", name, made)
			}
			if left, err := s.Plan(t.Context(), w.Host(), step.Present); err != nil || len(left) > 0 {
				t.Errorf("%s, broken off after %d: left %v, %v", name, n, left, err)
			}
			doEach(t, w, s, step.Absent, n)
			doEach(t, w, s, step.Absent, all)
			if after := strings.Replace(w.Dump(), "mkdir -p /run/lvsdr\n", "", 1); after != before {
				t.Errorf("%s, broken off after %d:\n%s\nwant\n%s", name, n, after, before)
			}
		}
	}
}

// A change that the kernel takes without effect is told, one by one too.
func TestServiceChangeWithoutEffect(t *testing.T) {
	w := lvsdrtest.Director("modprobe ip_vs\nmodprobe ip_vs_wrr")
	h := w.Host()
	s := step.DirectorServices(serviceConfig())
	h.IPVS = deafIPVS{h.IPVS}
	changes, err := s.Plan(t.Context(), h, step.Present)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if err := c.Do(t.Context()); !errors.Is(err, step.ErrNoEffect) {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// deafIPVS says yes and does nothing, as moby/ipvs does without the module.
type deafIPVS struct{ host.IPVS }

func (deafIPVS) Apply(_ context.Context, c []ipvs.Command) (int, error) { return len(c), nil }
