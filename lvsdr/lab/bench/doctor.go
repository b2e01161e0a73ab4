//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The doctor looks at directors with so many real servers.
var crowds = []int{2, 1000}

// doctor measures the doctor of directors whose real servers are imitated, see [crowd].
func doctor(ctx context.Context, b *bench) error {
	b.report.table("The doctor on a director, all checks, everything healthy", "real servers", "time", "of that of two", "peak memory")
	var unit time.Duration
	for _, n := range crowds {
		took, memory, err := b.look(ctx, n)
		if err != nil {
			return fmt.Errorf("%d real servers: %w", n, err)
		}
		if unit == 0 {
			unit = took
		}
		b.report.row(fmt.Sprint(n), took.Round(10*time.Millisecond).String(), ratio(took, unit), fmt.Sprintf("%.1f MB", float64(memory)/1e6))
	}
	return nil
}

// look measures the doctor's look at a director, of two the faster.
func (b *bench) look(ctx context.Context, realServers int) (took time.Duration, memory int64, err error) {
	l, err := lab.NewWith(ctx, 0)
	if err != nil {
		return 0, 0, err
	}
	defer l.Close()
	crowd, err := newCrowd(ctx, l, realServers)
	if err != nil {
		return 0, 0, err
	}
	defer crowd.close()
	if err := b.setUpFor(ctx, l, crowd.config()); err != nil {
		return 0, 0, err
	}
	for i := range 2 {
		t, m, err := measure(ctx, l.Director, b.lvsdr, "doctor", "director", "--config", "/etc/cluster.yaml")
		if err != nil {
			return 0, 0, err
		}
		if i == 0 || t < took {
			took, memory = t, m
		}
	}
	return took, memory, nil
}

// setUpFor puts the director on the crowd's LAN and sets it up.
func (b *bench) setUpFor(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := l.Director.Do(func() error { return writeFile("/etc/cluster.yaml", string(text)) }); err != nil {
		return err
	}
	if _, err := l.Director.Run(ctx, "ip", "addr", "add", "10.10.10.30/16", "dev", "eth0"); err != nil {
		return err
	}
	if _, err := l.Director.Run(ctx, "ip", "addr", "del", "10.10.10.30/24", "dev", "eth0"); err != nil {
		return err
	}
	_, err = l.Director.Run(ctx, b.lvsdr, "setup", "director", "--quiet", "--runtime", "--config", "/etc/cluster.yaml")
	return err
}

// numbered is the n-th address from the first.
func numbered(first string, n int) netip.Addr {
	b := netip.MustParseAddr(first).As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b[:])+uint32(n))))
}
