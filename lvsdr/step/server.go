package step

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A ServerWeight is what one real server of one virtual service is to be.
type ServerWeight struct {
	Service    ipvs.ID
	RealServer netip.Addr
	Weight     int32
	Gone       bool // it is not to be there
	// FallBack: the service has its scheduler's flag -fallback in any case.
	FallBack bool
}

// ServerWeights is the step that has some real servers of the IPVS table as wanted, and
// leaves all else of their services. A service or real server that is not there is not
// made. A scheduler that ties clients to real servers by a hash falls back to another
// one from before the first weight is 0 until none is.
func ServerWeights(want []ServerWeight) Applier { return &serverWeights{want: want} }

type serverWeights struct {
	services // its Apply; nothing is waited for
	want     []ServerWeight
}

func (s *serverWeights) Plan(ctx context.Context, h *host.Host, _ State) ([]Change, error) {
	have, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return nil, err
	}
	rows := byID(have)
	var changes []Change
	for _, w := range s.want {
		row := rows[w.Service]
		if row == nil {
			continue
		}
		live := &ipvs.Entry{Service: *row}
		if live.Destinations, err = h.IPVS.Destinations(ctx, row.ID, ipvs.Plain); err != nil {
			return nil, err
		}
		d := serviceDiff{step: &s.services, host: h}
		d.compare(w.target(live), live)
		changes = append(changes, d.changes()...)
	}
	// Each service's removals stand behind its additions; together all of them do.
	slices.SortStableFunc(changes, func(a, b Change) int { return rankOf(a) - rankOf(b) })
	return changes, nil
}

func rankOf(c Change) int {
	if c.Op == Remove {
		return 1
	}
	return 0
}

// target is the live service with the one real server changed.
func (w ServerWeight) target(live *ipvs.Entry) *serviceTarget {
	t := &serviceTarget{Entry: ipvs.Entry{Service: live.Service}, known: true}
	idle := false
	for _, d := range live.Destinations {
		if d.Addr == w.RealServer {
			if w.Gone {
				continue
			}
			d.Weight = w.Weight
		}
		idle = idle || d.Weight == 0
		t.Destinations = append(t.Destinations, d)
	}
	if cluster.HashScheduler(t.Scheduler) {
		if t.Flags &^= ipvs.Sched1; w.FallBack || idle {
			t.Flags |= ipvs.Sched1
		}
	}
	return t
}

// AwaitIdle waits until the real servers have no connections left in their services, at
// most so long, and returns what is left then. UDP has none. It fails with a
// [*DrainError] when it is broken off; a [DrainTrace] in ctx hears of it.
func AwaitIdle(ctx context.Context, h *host.Host, most time.Duration, want []ServerWeight) ([]Busy, error) {
	var all []leaver
	for _, w := range want {
		if w.Service.Protocol == ipvs.UDP {
			continue
		}
		have, err := h.IPVS.Destinations(ctx, w.Service, ipvs.Plain)
		if err != nil {
			return nil, err
		}
		for i := range have {
			if have[i].Addr == w.RealServer {
				all = append(all, leaver{&ipvs.Service{ID: w.Service}, &have[i]})
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return await(ctx, most, func() ([]Busy, error) { return busy(ctx, h, all) })
}
