//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// How much of everything the doctor's director has at the most.
const (
	crowdServers     = 1000
	crowdConnections = 110_000
	crowdRules       = 20_000
	crowdAddresses   = 10_000
)

// A scene is a director that the doctor looks at.
type scene struct {
	name        string
	realServers int
	make        []making
}

// A making gives the director something that the doctor has to read.
type making func(context.Context, *lab.Lab) error

var scenes = []scene{
	{"2 real servers", 2, nil},
	{fmt.Sprintf("%d real servers", crowdServers), crowdServers, nil},
	{fmt.Sprintf("2, and %d connections", crowdConnections), 2, []making{knownConnections}},
	{fmt.Sprintf("2, and %d firewall rules", crowdRules), 2, []making{manyRules}},
	{fmt.Sprintf("2, and %d addresses", crowdAddresses), 2, []making{manyAddresses}},
	{fmt.Sprintf("%d real servers and all of these", crowdServers), crowdServers, []making{knownConnections, manyRules, manyAddresses}},
}

// doctor measures the doctor of directors on which there is much to see, and a set-up there
// with nothing to do. Their real servers are imitated, see [crowd].
func doctor(ctx context.Context, b *bench) error {
	b.report.table("The doctor on a director, all checks, everything healthy", "director", "time", "of that of two", "peak memory",
		"set-up with nothing to do", "of that of two", "peak memory")
	var first [2]sample
	for _, s := range scenes {
		costs, err := b.look(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if first[0].took == 0 {
			first = costs
		}
		row := []string{s.name}
		for i, c := range costs {
			row = append(row, c.took.Round(time.Millisecond).String(), ratio(c.took, first[i].took), fmt.Sprintf("%.1f MB", float64(c.memory)/1e6))
		}
		b.report.row(row...)
	}
	return nil
}

// look measures the doctor's look at a scene, and then a set-up, of two the faster.
func (b *bench) look(ctx context.Context, s scene) (costs [2]sample, err error) {
	l, err := lab.NewWith(ctx, 0)
	if err != nil {
		return costs, err
	}
	defer l.Close()
	crowd, err := newCrowd(ctx, l, s.realServers)
	if err != nil {
		return costs, err
	}
	defer crowd.close()
	if err := b.setUpFor(ctx, l, crowd.config()); err != nil {
		return costs, err
	}
	for _, make := range s.make {
		if err := make(ctx, l); err != nil {
			return costs, err
		}
	}
	for i, command := range [][]string{{"doctor", "director"}, {"setup", "director", "--quiet", "--runtime"}} {
		for range 2 {
			one, err := measure(ctx, l.Director, b.lvsdr, append(command, "--config", "/etc/cluster.yaml")...)
			if err != nil {
				return costs, err
			}
			if costs[i].took == 0 || one.took < costs[i].took {
				costs[i] = one
			}
		}
	}
	return costs, nil
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

// knownConnections are of clients at the first real server.
func knownConnections(ctx context.Context, l *lab.Lab) error {
	return fillTable(ctx, l, netip.MustParseAddr(firstRIP), 0, crowdConnections)
}

// manyRules bans single senders, before a policy that accepts.
func manyRules(_ context.Context, l *lab.Lab) error {
	var rules strings.Builder
	rules.WriteString("add table ip bans\nadd chain ip bans in { type filter hook input priority 0; }\n")
	for i := range crowdRules {
		fmt.Fprintf(&rules, "add rule ip bans in ip saddr %s drop\n", numbered("10.50.0.1", i))
	}
	return feed(l.Director, rules.String(), "nft", "-f", "-")
}

func manyAddresses(_ context.Context, l *lab.Lab) error {
	var lines strings.Builder
	for i := range crowdAddresses {
		fmt.Fprintf(&lines, "addr add %s/32 dev eth0\n", numbered("10.20.0.1", i))
	}
	return feed(l.Director, lines.String(), "ip", "-batch", "-")
}

// feed runs a program on a host with this on its stdin.
func feed(h *lab.Host, stdin, name string, args ...string) error {
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	if err := h.Start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %.1000s", name, err, out.Bytes())
	}
	return nil
}

// numbered is the n-th address from the first.
func numbered(first string, n int) netip.Addr {
	b := netip.MustParseAddr(first).As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b[:])+uint32(n))))
}
