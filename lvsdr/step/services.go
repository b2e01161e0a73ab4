package step

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Service is the name of the step that has the virtual services in the IPVS table.
const Service = "service"

// services keeps the virtual services in the IPVS table. Only differences are
// sent, in place, additions before removals: a connection that the change does
// not concern never notices. A service is taken as the configuration's whole
// truth: real servers in it that the configuration does not have are removed.
// Every other service is left alone.
type services struct {
	want  []ipvs.Entry
	drain time.Duration
}

// DirectorServices is the step that has the configuration's virtual services and
// their real servers in the IPVS table, forwarding method direct routing. It is
// an [Applier]: it sends its changes in batches, and lets a removed TCP or SCTP
// real server finish its connections, at weight 0, for at most c.Drain.
//
// With engine keepalived it also has a keepalived of lvsdr's own look after them, see
// [host.Keepalived]; with another one it ends that.
func DirectorServices(c cluster.Config) Step {
	return &watched{services: services{want: c.VirtualServices(), drain: c.DrainTime()}, config: c}
}

func (*services) Name() string { return Service }

// serviceKey is the ledger's key of a service; its value is what [encodeService]
// made of the service that was there before, empty for none.
func serviceKey(id ipvs.ID) string { return servicePrefix + id.String() }

const servicePrefix = Service + " "

func (s *services) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	before, err := LedgerOf(h, cluster.DirectorRole).Read()
	if err != nil {
		return nil, err
	}
	have, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return nil, err
	}
	there := byID(have)
	targets, err := s.targets(h, before, want, there)
	if err != nil {
		return nil, err
	}
	missing := room(targets, there)
	d := serviceDiff{step: s, host: h, adds: make([]Change, 0, missing), edits: make([]serviceEdit, 0, missing)}
	rows := make([]ipvs.Entry, 0, len(have))
	for i := range targets {
		var live *ipvs.Entry
		if row := there[targets[i].ID]; row != nil {
			rows = append(rows, ipvs.Entry{Service: *row})
			live = &rows[len(rows)-1]
			if live.Destinations, err = h.IPVS.Destinations(ctx, row.ID, ipvs.Plain); err != nil {
				return nil, err
			}
		}
		d.compare(&targets[i], live)
	}
	changes := d.changes()
	for i := len(d.adds); i < len(changes); i++ {
		changes[i].Late = want == Present
	}
	return changes, nil
}

// room is how many changes it takes to add what is missing altogether.
func room(targets []serviceTarget, there map[ipvs.ID]*ipvs.Service) (n int) {
	for i := range targets {
		if there[targets[i].ID] == nil {
			n += 1 + len(targets[i].Destinations)
		}
	}
	return n
}

// A serviceTarget is what should become of one service: absent when gone is set.
type serviceTarget struct {
	ipvs.Entry
	name  string // how its real servers' names begin
	key   string // the ledger's
	gone  bool
	known bool // the ledger already has what was there before
	back  bool // this is what was there before
	stays bool // the role stays: what goes is replaced, and may end first
}

// targets lists the services this step answers for: the configuration's and those
// of the ledger.
func (s *services) targets(h *host.Host, before map[string]string, want State, there map[ipvs.ID]*ipvs.Service) ([]serviceTarget, error) {
	var targets []serviceTarget
	if want == Present {
		targets = make([]serviceTarget, 0, len(s.want))
		for i := range s.want {
			key := serviceKey(s.want[i].ID)
			_, known := before[key]
			delete(before, key) // what is left is not wanted any more
			targets = append(targets, serviceTarget{Entry: s.want[i], key: key, known: known})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if !strings.HasPrefix(key, servicePrefix) {
			continue
		}
		t, err := givenBack(key, before[key])
		if err != nil {
			return nil, err
		}
		t.stays = want == Present
		targets = append(targets, t)
	}
	if want == Absent && lostLedger(h, cluster.DirectorRole) {
		for _, v := range s.want {
			if _, known := before[serviceKey(v.ID)]; !known && there[v.ID] != nil {
				targets = append(targets, serviceTarget{Entry: v, key: serviceKey(v.ID), gone: true})
			}
		}
	}
	return targets, nil
}

// givenBack is the target that restores what the ledger says was there before.
func givenBack(key, before string) (serviceTarget, error) {
	t := serviceTarget{key: key, known: true, back: true, gone: before == ""}
	var err error
	if t.gone {
		t.ID, err = parseServiceKey(key)
	} else {
		t.Entry, err = decodeService(before)
	}
	if err != nil {
		return t, fmt.Errorf("ledger: %s: %w", key, err)
	}
	return t, nil
}
