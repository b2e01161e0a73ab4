//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A pathKind is what is asked and how.
type pathKind struct {
	name  string
	bytes int  // of the answer
	keep  bool // one connection for all requests of a client
}

var pathKinds = []pathKind{{"128 B, kept", 128, true}, {"128 B, new", 128, false}, {"16 KB, kept", 16 << 10, true}, {"16 KB, new", 16 << 10, false}}

// A way leads a request from the client to the real server.
type way struct {
	name string
	to   netip.AddrPort
	make func(context.Context, *lab.Lab) error // readies the director
	then func(context.Context, *lab.Lab) error // once the connections that are kept are open
}

// path measures what the director costs a request: client, director and one real server
// are on one CPU, and what a way takes more than the direct one is the director's.
func path(ctx context.Context, b *bench) error {
	all := lvsWays()
	all = append(all, way{name: "direct again, without LVS on the director", to: directWay().to, make: noLVS})
	all = append(all, proxyWays(b.proxies)...)
	all = append(all, way{name: "LVS, direct routing, again", to: vip80, make: setUpOne}, crowded("4096"))
	return b.measureWays(ctx, "What the director adds to a request, in thousands of instructions (in brackets: the whole, of the direct way's)", all)
}

// rows measures the same where IPVS's table of connections has the most rows that every
// kernel can have.
func rows(ctx context.Context, b *bench) error {
	if err := loadWithRows(ctx, 20); err != nil {
		return err
	}
	return b.measureWays(ctx, "The same with `tuning: {connTabBits: 20}`", []way{
		directWay(), {name: "LVS, direct routing", to: vip80, make: setUpOne}, crowded("2^20"),
	})
}

// crowded is the way of a director that is set up, once others have many connections, half
// of which are older than those that are measured: the kernel puts a new one first in its row.
func crowded(rows string) way {
	const half = manyConnections / 2
	return way{
		name: fmt.Sprintf("LVS, with %d connections in %s rows", manyConnections, rows), to: vip80,
		make: func(ctx context.Context, l *lab.Lab) error { return fillTable(ctx, l, lab.RIP(0), 0, half) },
		then: func(ctx context.Context, l *lab.Lab) error {
			return fillTable(ctx, l, lab.RIP(0), half, manyConnections-half)
		},
	}
}

// measureWays makes a table of ways, the direct one first.
func (b *bench) measureWays(ctx context.Context, title string, all []way) error {
	b.report.table(title, "way", pathKinds[0].name, pathKinds[1].name, pathKinds[2].name, pathKinds[3].name)
	l, err := lab.NewWith(ctx, 1)
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, end := context.WithCancel(ctx)
	defer end() // of the server and the proxies
	if err := startServer(ctx, l.RealServers[0]); err != nil {
		return err
	}
	if err := listening(ctx, l.Client, directWay().to); err != nil {
		return err
	}
	var unit []time.Duration
	for _, w := range all {
		if w.make != nil {
			if err := w.make(ctx, l); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		open := make([]*pathClient, len(pathKinds))
		for i, kind := range pathKinds {
			if kind.keep {
				if open[i], err = openClient(ctx, l.Client, w.to, kind); err != nil {
					return fmt.Errorf("%s, %s: %w", w.name, kind.name, err)
				}
			}
		}
		if w.then != nil {
			if err := w.then(ctx, l); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		cells := []string{w.name}
		for i, kind := range pathKinds {
			each, err := open[i].perRequest(ctx, l.Client, w.to, kind)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, kind.name, err)
			}
			if len(unit) < len(pathKinds) {
				unit = append(unit, each)
				cells = append(cells, fmt.Sprintf("0 (%d)", thousands(each)))
				continue
			}
			cells = append(cells, fmt.Sprintf("%d (%.2f)", thousands(each-unit[i]), float64(each)/float64(unit[i])))
		}
		b.report.row(cells...)
	}
	return nil
}

// thousands are whole: two runs of the same differ by up to one, rarely two, more than the
// batches of one run do. What differs is the guest, so that more requests change nothing.
func thousands(each time.Duration) int64 { return each.Round(time.Microsecond).Microseconds() }

var vip80 = netip.AddrPortFrom(lab.VIP, 80)

func directWay() way { return way{name: "direct, no director", to: netip.AddrPortFrom(lab.RIP(0), 80)} }

// lvsWays are the direct one and those of LVS.
func lvsWays() []way {
	return []way{
		directWay(),
		{name: "LVS, direct routing", to: vip80, make: setUpOne},
		{name: "LVS, with connection tracking", to: vip80, make: track},
		{name: "LVS, with notrack for the VIP", to: vip80, make: untrack},
	}
}

func setUpOne(ctx context.Context, l *lab.Lab) error { return setUpHosts(ctx, l, basic(1)) }

// track has connection tracking follow what passes the director, as a firewall that
// asks for the state of connections does.
func track(ctx context.Context, l *lab.Lab) error {
	out, err := l.Director.Run(ctx, "nft", "add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; }; "+
		"add rule inet f in ct state established,related accept; add rule inet f in accept")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// untrack keeps what is for the VIP out of it.
func untrack(ctx context.Context, l *lab.Lab) error {
	out, err := l.Director.Run(ctx, "nft", "add table ip r; add chain ip r pre { type filter hook prerouting priority raw; }; "+
		"add rule ip r pre ip daddr "+lab.VIP.String()+" notrack")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
