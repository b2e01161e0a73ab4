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
}

// path measures what the director costs a request: client, director and one real server
// are on one CPU, and what a way takes more than the direct one is the director's.
func path(ctx context.Context, b *bench) error {
	all := lvsWays()
	all = append(all, way{"direct again, without LVS on the director", directWay().to, noLVS})
	all = append(all, proxyWays(b.proxies)...)
	all = append(all, way{fmt.Sprintf("LVS, with %d connections in 4096 rows", manyConnections), vip80, func(ctx context.Context, l *lab.Lab) error {
		if err := setUpOne(ctx, l); err != nil {
			return err
		}
		return fillTable(ctx, l, lab.RIP(0), manyConnections)
	}})
	return b.measureWays(ctx, "What the director adds to a request, in thousands of instructions (in brackets: the whole, of the direct way's)", all)
}

// rows measures the same where IPVS's table of connections has the most rows that every
// kernel can have.
func rows(ctx context.Context, b *bench) error {
	if err := loadWithRows(ctx, 20); err != nil {
		return err
	}
	return b.measureWays(ctx, "The same with `tuning: {connTabBits: 20}`", []way{
		directWay(), {"LVS, direct routing", vip80, setUpOne},
		{fmt.Sprintf("LVS, with %d connections in 2^20 rows", manyConnections), vip80, func(ctx context.Context, l *lab.Lab) error {
			return fillTable(ctx, l, lab.RIP(0), manyConnections)
		}},
	})
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
		cells := []string{w.name}
		for i, kind := range pathKinds {
			each, err := perRequest(ctx, l.Client, w.to, kind)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, kind.name, err)
			}
			if len(unit) < len(pathKinds) {
				unit = append(unit, each)
				cells = append(cells, fmt.Sprintf("0 (%.1f)", float64(each)/1000))
				continue
			}
			cells = append(cells, fmt.Sprintf("%.1f (%.2f)", float64(each-unit[i])/1000, float64(each)/float64(unit[i])))
		}
		b.report.row(cells...)
	}
	return nil
}

var vip80 = netip.AddrPortFrom(lab.VIP, 80)

func directWay() way { return way{"direct, no director", netip.AddrPortFrom(lab.RIP(0), 80), nil} }

// lvsWays are the direct one and those of LVS.
func lvsWays() []way {
	return []way{
		directWay(),
		{"LVS, direct routing", vip80, setUpOne},
		{"LVS, with connection tracking", vip80, track},
		{"LVS, with notrack for the VIP", vip80, untrack},
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
