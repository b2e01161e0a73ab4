//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/lab"
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

// again sets up twice more over a complete table: with no change, and with one.
func again(ctx context.Context, s size) (none, one time.Duration, err error) {
	local := lvsdr.Local()
	if _, err := up(ctx, local, s.config(), -1); err != nil {
		return 0, 0, err
	}
	if none, err = up(ctx, local, s.config(), 0); err != nil {
		return 0, 0, err
	}
	other := s.config()
	heavy := 2
	first := other.Services[0]
	// One service of its own with one weight changed: the others as before.
	first.Ports = first.Ports[:1]
	first.RealServers = append([]lvsdr.Server(nil), first.RealServers...)
	first.RealServers[0].Weight = &heavy
	other.Services[0].Ports = other.Services[0].Ports[1:]
	other.Services = append(other.Services, first)
	one, err = up(ctx, local, other, 1)
	return none, one, err
}

// up measures a set-up of the service step; changes is how many it must make,
// below 0 any number.
func up(ctx context.Context, h *lvsdr.Host, c lvsdr.Config, changes int) (time.Duration, error) {
	role := lvsdr.Role{Name: lvsdr.DirectorRole, Steps: []lvsdr.Step{lvsdr.DirectorServices(c)}}
	start := time.Now()
	made, err := role.Up(ctx, h)
	took := time.Since(start)
	if err == nil && changes >= 0 && len(made) != changes {
		err = fmt.Errorf("%d changes, not %d", len(made), changes)
	}
	return took, err
}
