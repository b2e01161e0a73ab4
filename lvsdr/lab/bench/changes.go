//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A keeper brings a running cluster to a description.
type keeper interface {
	begin(context.Context, *lab.Lab, cluster.Config) error // from nothing
	change(context.Context, *lab.Lab, cluster.Config) error
	end()
}

// keepers are lvsdr with each engine, and what one does without it.
var keepers = []struct {
	name string
	keeper
}{
	{"lvsdr", &ours{engine: cluster.EngineIPVS}},
	{"lvsdr, engine keepalived", &ours{engine: cluster.EngineKeepalived}},
	{"`ipvsadm -C; ipvsadm -R`", &theirs{how: (*theirs).restore}},
	{"keepalived, reload", &theirs{how: (*theirs).reload}},
	{"keepalived, restart", &theirs{how: (*theirs).restart}},
}

// settled is how long clients go on after a change.
const settled = 500 * time.Millisecond

// changes counts the requests that fail while the cluster changes in each way: by lvsdr
// with each engine, and as one does it without.
func changes(ctx context.Context, b *bench) error {
	head := []string{"change"}
	for _, k := range keepers {
		head = append(head, k.name)
	}
	b.report.table(fmt.Sprintf("Requests that fail while the cluster changes, %d connections of %d requests, one every %v each",
		loadClients, loadRequests, loadPeriod), head...)
	rows := make([][]string, len(lab.Changes()))
	each, asked := []string{"failed a change"}, []string{"requests a change"}
	for _, k := range keepers {
		fmt.Fprintln(os.Stderr, "changes under load by", k.name) // the rows come when all are through
		var all, failed int64
		if err := underLoad(ctx, k, func(change int, made bool, n, bad int64) {
			cell := fmt.Sprint(bad)
			if !made {
				cell += ", and the change was not made"
			}
			rows[change] = append(rows[change], cell)
			all, failed = all+n, failed+bad
		}); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		each = append(each, fmt.Sprintf("%.2f", float64(failed)/float64(len(rows))))
		asked = append(asked, fmt.Sprint(all/int64(len(rows))))
	}
	for i, x := range lab.Changes() {
		b.report.row(append([]string{x.Name}, rows[i]...)...)
	}
	b.report.row(each...)
	b.report.row(asked...)
	return nil
}

// underLoad makes the changes under a client's load and tells of its requests.
func underLoad(ctx context.Context, k keeper, tell func(change int, made bool, all, bad int64)) error {
	l, err := lab.NewWith(ctx, 2)
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, end := context.WithCancel(ctx)
	defer end() // of the servers
	defer k.end()
	for _, h := range l.RealServers {
		if err := startServer(ctx, h); err != nil {
			return err
		}
	}
	c := basic(2)
	if err := k.begin(ctx, l, c); err != nil {
		return err
	}
	for i, x := range lab.Changes() {
		x.Make(&c)
		load, err := startLoad(ctx, l.Client)
		if err != nil {
			return err
		}
		made := k.change(ctx, l, c)
		if made != nil && !errors.Is(made, errNotMade) {
			return fmt.Errorf("%s: %w", x.Name, made)
		}
		time.Sleep(settled)
		all, bad, err := load.stop()
		if err != nil {
			return err
		}
		tell(i, made == nil, all, bad)
	}
	return nil
}
