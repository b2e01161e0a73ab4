//go:build linux

package lab_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A real server drains, comes back and gets another weight while clients come all the
// time: none of them is refused.
func TestOneRealServerUnderTraffic(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS)
	for _, scheduler := range []string{"wrr", "sh", "mh"} {
		t.Run(scheduler, func(t *testing.T) {
			l := newLab(t)
			serve(t, l.RealServers...)
			c := describe("10.10.10.22", 1, 1)
			c.Services[0].Scheduler = scheduler
			if scheduler != "wrr" {
				c.Services[0].SchedulerFlags = []string{scheduler + "-port"}
			}
			setUp(t, l, c)
			stop, count := traffic(t, l)
			rip := c.Services[0].RealServers[1].Address
			for _, weight := range []int{0, 1, 3, 0, 1} {
				edit := cluster.ServerEdit{Address: rip, Weight: &weight}
				c, _ = edit.Apply(c)
				weigh(t, l.Director.LVS(), c)
				if weight == 0 {
					idle(t, l.Director.LVS(), c)
				}
				time.Sleep(300 * time.Millisecond)
			}
			if n := stop(); n < 20 || count.Load() != 0 {
				t.Errorf("%d of %d requests failed", count.Load(), n)
			}
		})
	}
}

// traffic makes requests until it is stopped, and counts those that fail.
func traffic(t *testing.T, l *lab.Lab) (stop func() int64, failed *atomic.Int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var n atomic.Int64
	failed = new(atomic.Int64)
	var wait sync.WaitGroup
	for range 2 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for ctx.Err() == nil {
				if _, err := l.Client.Get(context.Background(), "http://10.10.10.22/"); err != nil {
					failed.Add(1)
					t.Log(err)
				}
				n.Add(1)
			}
		}()
	}
	return func() int64 {
		cancel()
		wait.Wait()
		return n.Load()
	}, failed
}

// weigh has the director's table as c says.
func weigh(t *testing.T, h *host.Host, c cluster.Config) {
	t.Helper()
	s := step.ServerWeights(weights(c))
	changes, err := s.Plan(t.Context(), h, step.Present)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), h, changes); err != nil {
		t.Fatal(err)
	}
}

func idle(t *testing.T, h *host.Host, c cluster.Config) {
	t.Helper()
	if left, err := step.AwaitIdle(t.Context(), h, 10*time.Second, weights(c)); err != nil || len(left) > 0 {
		t.Errorf("%v, left %v", err, left)
	}
}

// weights are those of the second real server.
func weights(c cluster.Config) []step.ServerWeight {
	v := c.VirtualServices()[0]
	d := v.Destinations[1]
	return []step.ServerWeight{{Service: v.ID, RealServer: d.Addr, Weight: d.Weight}}
}
