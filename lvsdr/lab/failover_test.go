//go:build linux

package lab_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// pair is a cluster with two directors, of which the first has the higher priority.
type pair struct {
	*lab.Lab
	second *lab.Host
	config cluster.Config
}

func newPair(t *testing.T) *pair {
	l := newLab(t)
	second, err := l.Add(t.Context(), "second", netip.MustParsePrefix("10.10.10.33/24"), netip.MustParsePrefix("fd00:10::33/64"))
	if err != nil {
		t.Fatal(err)
	}
	c := describe("10.10.10.22", 1, 1)
	c.Services = append(c.Services, describe("fd00:10::22", 1, 1).Services...)
	c.Directors = []cluster.Director{{Address: netip.MustParseAddr("10.10.10.30")}, {Address: netip.MustParseAddr("10.10.10.33")}}
	return &pair{l, second, c}
}

// with is the same cluster, in which the directors have these priorities.
func (p *pair) with(first, second int) cluster.Config {
	c := p.config
	c.VRRP = &cluster.VRRP{}
	c.Directors = []cluster.Director{{Address: c.Directors[0].Address, Priority: &first}, {Address: c.Directors[1].Address, Priority: &second}}
	return c
}

func (p *pair) direct(t *testing.T, h *lab.Host, c cluster.Config) {
	t.Helper()
	role, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := role.Apply(t.Context(), h.LVS(), step.Present); err != nil {
		t.Fatalf("%s: %v", h.Name, err)
	}
	if again, err := role.Plan(t.Context(), h.LVS(), step.Present); err != nil || len(again) > 0 {
		t.Errorf("%s: afterwards there is still to do: %v, %v", h.Name, again, err)
	}
}

// states are what the directors are, when they are it.
func (p *pair) states(t *testing.T, first, second string) {
	t.Helper()
	want, got := first+" "+second, ""
	for begun := time.Now(); time.Since(begun) < 15*time.Second; time.Sleep(50 * time.Millisecond) {
		var both []string
		for _, h := range []*lab.Host{p.Director, p.second} {
			state, err := step.VRRPState(t.Context(), h.LVS())
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, state)
		}
		if got = strings.Join(both, " "); got == want {
			return
		}
	}
	t.Fatalf("the directors are %s, want %s\n%s\n%s", got, want, sh(t, p.Director, "ip addr show dev eth0"), sh(t, p.second, "ip addr show dev eth0"))
}

// A meter makes connections to the VIP all the time.
type meter struct {
	mu     sync.Mutex
	served []time.Time
	failed int // of those that would wait for 5 s
	made   int
	stop   context.CancelFunc
	wait   sync.WaitGroup
}

// measure asks for page after page, each on a connection of its own, and does not wait
// long: that tells for how long there is no service. Another asks as a browser does, which
// waits for retransmissions: that tells what fails.
func measure(t *testing.T, l *lab.Lab) *meter {
	ctx, cancel := context.WithCancel(t.Context())
	m := &meter{stop: cancel}
	ask := func(most time.Duration, then func(error)) {
		m.wait.Add(1)
		go func() {
			defer m.wait.Done()
			for ctx.Err() == nil {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
				_, err := l.Client.Get(ctx, "http://10.10.10.22/")
				cancel()
				m.mu.Lock()
				then(err)
				m.mu.Unlock()
				time.Sleep(50 * time.Millisecond)
			}
		}()
	}
	ask(500*time.Millisecond, func(err error) {
		if err == nil {
			m.served = append(m.served, time.Now())
		}
	})
	ask(15*time.Second, func(err error) {
		m.made++
		if err != nil {
			m.failed++
			t.Logf("failed: %v", err)
		}
	})
	return m
}

// end is the longest time without service, and how many requests failed.
func (m *meter) end() (gap time.Duration, failed, made int) {
	m.stop()
	m.wait.Wait()
	for i := 1; i < len(m.served); i++ {
		gap = max(gap, m.served[i].Sub(m.served[i-1]))
	}
	return gap, m.failed, m.made
}

// kill ends keepalived as a crash does: without a word.
func kill(t *testing.T, h *lab.Host) {
	t.Helper()
	sh(t, h, "kill -9 $(cat /run/lvsdr/vrrp.pid) $(cat /run/lvsdr/vrrp-child.pid)")
}

// Two directors: the one that lives has the VIPs, whatever becomes of the other, and the
// service goes on.
func TestDirectorsTakeOver(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	p := newPair(t)
	serve(t, p.RealServers...)
	setUp(t, p.Lab, p.config) // one director, as it was
	before := sh(t, p.second, "ip addr show dev eth0 | grep -w inet; ipvsadm -S -n; ls /run/lvsdr 2>/dev/null; true")
	planned := p.with(100, 90)

	// A guest is slow, and others use the machine: the bounds here are no more than that
	// somebody takes over. docs/failover.md has what was measured.
	during := func(name string, do func()) {
		t.Helper()
		m := measure(t, p.Lab)
		time.Sleep(500 * time.Millisecond)
		do()
		time.Sleep(time.Second)
		gap, failed, made := m.end()
		t.Logf("%-40s %5.1f s without service, %d of %d requests failed", name, gap.Seconds(), failed, made)
		if gap > 20*time.Second || made-failed < 2 {
			t.Errorf("%s: the service did not go on", name)
		}
	}
	during("a director is joined by a second", func() {
		p.direct(t, p.Director, planned)
		p.states(t, step.VRRPMaster, "")
		p.direct(t, p.second, planned)
		p.states(t, step.VRRPMaster, step.VRRPBackup)
	})
	during("planned switch-over", func() {
		p.direct(t, p.second, p.with(100, 110))
		p.direct(t, p.Director, p.with(100, 110))
		p.states(t, step.VRRPBackup, step.VRRPMaster)
	})
	during("keepalived of the master killed", func() {
		kill(t, p.second)
		p.states(t, step.VRRPMaster, step.VRRPStopped)
	})
	during("and started again", func() {
		p.direct(t, p.second, p.with(100, 110))
		p.states(t, step.VRRPBackup, step.VRRPMaster)
	})
	during("the master's link cut", func() {
		sh(t, p.second, "ip link set eth0 down")
		p.states(t, step.VRRPMaster, step.VRRPBackup)
	})
	sh(t, p.second, "ip link set eth0 up; ip addr add fd00:10::33/64 dev eth0 nodad; ip addr add fe80::ff:fe00:5/64 dev eth0 nodad")
	p.states(t, step.VRRPBackup, step.VRRPMaster)
	during("the master torn down", func() {
		role, err := lvsdr.Director(planned)
		if err == nil {
			_, err = role.Down(t.Context(), p.second.LVS())
		}
		if err != nil {
			t.Error(err)
		}
		p.states(t, step.VRRPMaster, "")
	})
	giveBack(t, p.Lab, planned)
	if after := sh(t, p.second, "ip addr show dev eth0 | grep -w inet; ipvsadm -S -n; ls /run/lvsdr 2>/dev/null; true"); after != before {
		t.Errorf("the second director was\n%s\nand is\n%s", before, after)
	}
}
