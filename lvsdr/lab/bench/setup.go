//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// setup measures set-ups over a table that is there already.
func setup(ctx context.Context, b *bench) error {
	s := size{1000, 10}
	library, err := b.benchmarks(ctx, s, "^BenchmarkRead(Moby|OneByOne)?$")
	if err != nil {
		return err
	}
	var none, one time.Duration
	err = withHost(ctx, func(h *lab.Host) error {
		return h.Do(func() error {
			none, one, err = again(ctx, s)
			return err
		})
	})
	if err != nil {
		return err
	}
	moby := library["ReadMoby"]
	b.report.table("A table of 1000x10 that is there already", "what", "time", "moby/ipvs reading service by service takes")
	b.report.row("moby/ipvs reading service by service", moby.Round(100*time.Microsecond).String(), "1")
	b.report.row("lvsdr/ipvs reading everything", library["Read"].Round(100*time.Microsecond).String(), times(moby, library["Read"]))
	b.report.row("set-up of the service step that finds nothing to do", none.Round(100*time.Microsecond).String(), times(moby, none))
	b.report.row(fmt.Sprintf("set-up that changes one weight (%+.1f %% over nothing to do)", 100*(float64(one)/float64(none)-1)),
		one.Round(100*time.Microsecond).String(), times(moby, one))
	return nil
}

// samples is how often a set-up over a complete table is measured; the fastest
// counts, since the kernel may still be taking down the namespace used before.
const samples = 3

// again sets up over a complete table: with no change, and with one.
func again(ctx context.Context, s size) (none, one time.Duration, err error) {
	local := lvsdr.Local()
	if _, err := up(ctx, local, s.config(), -1); err != nil {
		return 0, 0, err
	}
	none, err = fastestUp(ctx, local, 0, func(int) cluster.Config { return s.config() })
	if err != nil {
		return 0, 0, err
	}
	one, err = fastestUp(ctx, local, 1, func(i int) cluster.Config { return oneHeavy(s, 2+i) })
	return none, one, err
}

// oneHeavy is the cluster with another weight of one real server of one service,
// which stands apart from the others for it.
func oneHeavy(s size, weight int) cluster.Config {
	c := s.config()
	first := c.Services[0]
	first.Ports = first.Ports[:1]
	first.RealServers = slices.Clone(first.RealServers)
	first.RealServers[0].Weight = &weight
	c.Services[0].Ports = c.Services[0].Ports[1:]
	c.Services = append(c.Services, first)
	return c
}

// fastestUp measures set-ups that must make so many changes each.
func fastestUp(ctx context.Context, h *host.Host, changes int, config func(i int) cluster.Config) (best time.Duration, err error) {
	for i := range samples {
		took, err := up(ctx, h, config(i), changes)
		if err != nil {
			return 0, err
		}
		if i == 0 || took < best {
			best = took
		}
	}
	return best, nil
}

// up measures a set-up of the service step; changes is how many it must make,
// below 0 any number.
func up(ctx context.Context, h *host.Host, c cluster.Config, changes int) (time.Duration, error) {
	role := lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{step.DirectorServices(c)}}
	start := time.Now()
	made, err := role.Apply(ctx, h, step.Present)
	took := time.Since(start)
	if err == nil && changes >= 0 && len(made) != changes {
		err = fmt.Errorf("%d changes, not %d", len(made), changes)
	}
	return took, err
}
