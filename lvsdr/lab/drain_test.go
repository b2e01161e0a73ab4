//go:build linux

package lab_test

import (
	"context"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// While a real server drains under a scheduler that hashes, no new connection is
// refused, and those that are open are counted.
func TestDrainRefusesNobody(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS)
	for _, scheduler := range []string{"sh", "mh"} {
		t.Run(scheduler, func(t *testing.T) {
			l := newLab(t)
			serve(t, l.RealServers...)
			c := describe("10.10.10.22", 1, 1)
			c.Services[0].Scheduler, c.Services[0].SchedulerFlags = scheduler, []string{scheduler + "-port"}
			drain := seconds(3)
			c.Drain = &drain
			setUp(t, l, c)
			for range 24 { // open ones, on both real servers
				conn, err := l.Client.Dial(t.Context(), "tcp", "10.10.10.22:80")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			}
			open, cut := drainOne(t, l, c)
			if open == 0 || cut != open {
				t.Errorf("waits for %d connections, cuts %d", open, cut)
			}
			if got := answers(t, l, "10.10.10.22", 20); got["dev-2"] != 20 {
				t.Errorf("afterwards twenty requests went %v", got)
			}
		})
	}
}

// drainOne takes the second real server out and makes requests while it drains. It
// returns how many connections were waited for and how many were cut.
func drainOne(t *testing.T, l *lab.Lab, c cluster.Config) (open, cut int) {
	t.Helper()
	c.Services[0].RealServers = c.Services[0].RealServers[:1]
	director, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx := step.WithDrainTrace(context.Background(), step.DrainTrace{
		Waiting: func(left []step.Busy, _ time.Duration) {
			open = left[0].Connections
			for i := range 40 {
				if _, err := l.Client.Get(context.Background(), "http://10.10.10.22/"); err != nil {
					t.Errorf("new connection %d during the drain: %v", i, err)
				}
			}
		},
		Over: func(left []step.Busy) { cut = left[0].Connections },
	})
	if _, err := director.Up(ctx, l.Director.LVS()); err != nil {
		t.Fatal(err)
	}
	return open, cut
}
