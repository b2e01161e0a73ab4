package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

func (s *services) Apply(ctx context.Context, h *host.Host, changes []Change) (int, error) {
	edits := make([]*serviceEdit, len(changes))
	for i := range changes {
		edits[i] = changes[i].Data.(*serviceEdit)
	}
	if err := remember(h, edits); err != nil {
		return 0, err
	}
	removals := len(edits)
	for i, e := range edits {
		if e.command.Op == ipvs.RemoveDestination {
			removals = i
			break
		}
	}
	done, err := send(ctx, h, edits[:removals])
	if err != nil {
		return done, err
	}
	if removals < len(edits) {
		if err := s.drainAll(ctx, h, edits[removals:]); err != nil {
			return done, err
		}
		n, err := send(ctx, h, edits[removals:])
		if done += n; err != nil {
			return done, err
		}
	}
	if err := confirm(ctx, h, edits); err != nil {
		return done, err
	}
	return done, forget(h, edits)
}

// send carries out the edits' own commands in one stream of batches; those with
// none only strike a line out of the ledger.
func send(ctx context.Context, h *host.Host, edits []*serviceEdit) (int, error) {
	commands := make([]ipvs.Command, 0, len(edits))
	at := make([]int, 0, len(edits)) // the commands' places in edits
	for i, e := range edits {
		if e.command.Op != 0 {
			commands, at = append(commands, e.command), append(at, i)
		}
	}
	if len(commands) == 0 {
		return len(edits), nil
	}
	done, err := h.IPVS.Apply(ctx, commands)
	if err != nil && done < len(commands) {
		return at[done], err
	}
	return len(edits), err
}

// remember writes down what was there before the edits, for services of which the
// ledger does not know yet.
func remember(h *host.Host, edits []*serviceEdit) error {
	lines := map[string]string{}
	for _, e := range edits {
		if e.target.known {
			continue
		}
		key := serviceKey(e.command.Service.ID)
		if _, ok := lines[key]; ok {
			continue
		}
		lines[key] = ""
		if e.live == nil {
			continue
		}
		before, err := encodeService(e.live)
		if err != nil {
			return err
		}
		lines[key] = before
	}
	if len(lines) == 0 {
		return nil
	}
	return LedgerOf(h, cluster.DirectorRole).remember(lines)
}

// forget strikes out the services that are as before again, and ours no more.
func forget(h *host.Host, edits []*serviceEdit) error {
	var keys []string
	for _, e := range edits {
		if e.target.back {
			keys = append(keys, serviceKey(e.target.ID))
		}
	}
	return LedgerOf(h, cluster.DirectorRole).forget(keys...)
}

// drainAll sets the real servers that are to be removed to weight 0 and waits
// until their connections have ended, at most s.drain. New connections of a
// persistent client go elsewhere too, by expire_quiescent_template.
func (s *services) drainAll(ctx context.Context, h *host.Host, edits []*serviceEdit) error {
	var busy []*serviceEdit
	var quiesce []ipvs.Command
	for _, e := range edits {
		if !e.drains() || s.drain <= 0 {
			continue
		}
		busy = append(busy, e)
		if e.command.Destination.Weight != 0 {
			idle := *e.command.Destination
			idle.Weight = 0
			quiesce = append(quiesce, ipvs.Command{Op: ipvs.SetDestination, Service: e.command.Service, Destination: &idle})
		}
	}
	if len(busy) == 0 {
		return nil
	}
	if _, err := h.IPVS.Apply(ctx, quiesce); err != nil {
		return err
	}
	deadline := time.Now().Add(s.drain)
	for len(busy) > 0 && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
		var err error
		if busy, err = stillBusy(ctx, h, busy); err != nil {
			return err
		}
	}
	return nil
}

// drainPoll is how often a drain looks at the connections that are left.
const drainPoll = 200 * time.Millisecond

func stillBusy(ctx context.Context, h *host.Host, edits []*serviceEdit) ([]*serviceEdit, error) {
	var busy []*serviceEdit
	for _, e := range edits {
		have, err := h.IPVS.Destinations(ctx, e.command.Service.ID, ipvs.Plain)
		if err != nil {
			return nil, err
		}
		for _, d := range have {
			if sameServer(&d, e.command.Destination) && d.Active > 0 {
				busy = append(busy, e)
			}
		}
	}
	return busy, nil
}

// confirm looks again at every service that was touched.
func confirm(ctx context.Context, h *host.Host, edits []*serviceEdit) error {
	rows, err := touchedRows(ctx, h, edits)
	if err != nil {
		return err
	}
	seen := map[*serviceTarget]bool{}
	var last *serviceTarget
	for _, e := range edits {
		if e.target == last || seen[e.target] {
			continue
		}
		last = e.target
		seen[last] = true
		live, err := look(ctx, h, last.ID, rows, &last.VirtualService)
		if err != nil {
			return err
		}
		d := serviceDiff{host: h}
		d.compare(last, live)
		if left := d.changes(); len(left) > 0 {
			return fmt.Errorf("%s: %w", left[0].String(), ErrNoEffect)
		}
	}
	return nil
}

// touchedRows reads the services anew when one of the edits was on a service, and
// returns nil when all were on real servers.
func touchedRows(ctx context.Context, h *host.Host, edits []*serviceEdit) (map[ipvs.ID]*ipvs.Service, error) {
	onService := func(e *serviceEdit) bool { return e.command.Destination == nil }
	if !slices.ContainsFunc(edits, onService) {
		return nil, nil
	}
	have, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return nil, err
	}
	return byID(have), nil
}

func byID(rows []ipvs.Service) map[ipvs.ID]*ipvs.Service {
	index := make(map[ipvs.ID]*ipvs.Service, len(rows))
	for i := range rows {
		index[rows[i].ID] = &rows[i]
	}
	return index
}

// look reads one service and its real servers; with rows nil the row itself is
// known to be unchanged.
func look(ctx context.Context, h *host.Host, id ipvs.ID, rows map[ipvs.ID]*ipvs.Service, unchanged *cluster.VirtualService) (*cluster.VirtualService, error) {
	live := &cluster.VirtualService{Service: unchanged.Service}
	if rows != nil {
		row := rows[id]
		if row == nil {
			return nil, nil
		}
		live.Service = *row
	}
	var err error
	live.Destinations, err = h.IPVS.Destinations(ctx, id, ipvs.Plain)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return live, err
}
