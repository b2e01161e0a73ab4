package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Note is something that costs this director time or room, with what was seen, from
// where on it counts, and a command that changes it. Nothing is changed by looking.
type Note struct {
	About     string `json:"about"`     // "conn-table", for ever the same
	Text      string `json:"text"`      // what was seen and what it costs
	Value     uint64 `json:"value"`     // what was seen
	Threshold uint64 `json:"threshold"` // the note is made above it
	Command   string `json:"command"`
}

// tunings are the subjects of notes, in their order.
var tunings = []func(context.Context, *tuner) ([]Note, error){
	connTable, connTableOption, connTracking, trackedPackets, trackedConnections, softnetDrops, softnetSqueezes, queues, neighbours, estimators, lro,
}

type tuner struct {
	host *host.Host
	st   *Status
}

// Tuning returns the notes on a host of which st was seen: none where there is no
// virtual service. What the kernel does not tell is left out.
func Tuning(ctx context.Context, h *host.Host, st *Status) ([]Note, error) {
	notes := []Note{}
	if len(st.Services) == 0 {
		return notes, nil
	}
	t := &tuner{host: h, st: st}
	for _, look := range tunings {
		found, err := look(ctx, t)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		notes = append(notes, found...)
	}
	return notes, nil
}

// number reads a sysctl.
func (t *tuner) number(key string) (uint64, error) {
	text, err := t.host.Sysctl.Get(key)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// neighbours: above gc_thresh2 the kernel forgets, every five seconds, whom it has not
// heard of for as long, and has to ask for him before the next packet; at gc_thresh3 it
// makes no more entries (neigh_alloc in net/core/neighbour.c).
func neighbours(ctx context.Context, t *tuner) ([]Note, error) {
	all, err := t.host.Observer.Neighbours(ctx)
	if err != nil {
		return nil, err
	}
	var notes []Note
	for _, f := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		var n uint64
		for _, e := range all {
			if f.is(e.Addr) && e.State != "PERMANENT" { // these do not count
				n++
			}
		}
		key := "net/" + f.name + "/neigh/default/"
		soft, err := t.number(key + "gc_thresh2")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		most, err := t.number(key + "gc_thresh3")
		if err != nil {
			return nil, err
		}
		if limit := soft / 4 * 3; n > limit {
			notes = append(notes, Note{"neighbours", fmt.Sprintf("%d %s neighbours: above %d (gc_thresh2) those that were silent for five seconds are forgotten and asked for anew, "+
				"at %d (gc_thresh3) new hosts are not reached", n, f.name, soft, most),
				n, limit, fmt.Sprintf("sysctl -w net.%s.neigh.default.gc_thresh3=%d net.%s.neigh.default.gc_thresh2=%d", f.name, 4*most, f.name, 4*soft)})
		}
	}
	return notes, nil
}

// mostEstimators is how many services and real servers have their rates worked out
// every two seconds without that being seen in the CPU's time.
const mostEstimators = 10_000

// estimators: before Linux 6.2 the rates are worked out in a timer, during which the CPU
// takes no packets; since 5.15 that can be left out, with the counters, which are summed
// there. Later kernels, which have est_nice, do it in threads, and packets go first
// (ip_vs_est.c).
func estimators(_ context.Context, t *tuner) ([]Note, error) {
	if _, err := t.host.Sysctl.Get("net/ipv4/vs/est_nice"); err == nil {
		return nil, nil
	}
	on, err := t.number("net/ipv4/vs/run_estimation")
	if err != nil || on == 0 {
		return nil, err
	}
	n := uint64(len(t.st.Services))
	for _, s := range t.st.Services {
		n += uint64(len(s.RealServers))
	}
	if n <= mostEstimators {
		return nil, nil
	}
	return []Note{{"estimation", fmt.Sprintf("the kernel works out the rates of %d services and real servers every two seconds, and takes no packets on that CPU meanwhile; "+
		"without it rates and counters stand still, which the doctor tells (ipvs-sysctl)", n),
		n, mostEstimators, "sysctl -w net.ipv4.vs.run_estimation=0"}}, nil
}
