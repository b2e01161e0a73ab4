package step

import (
	"context"
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
	settled, err := confirm(ctx, h, edits)
	if err != nil {
		return done, err
	}
	return done, forget(h, settled)
}

// applyOne makes one change on its own. When it has been made before, what is left
// to do is the ledger's part.
func (s *services) applyOne(ctx context.Context, h *host.Host, edit *serviceEdit) error {
	rows, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return err
	}
	due, _, err := stillDue(ctx, h, edit.target, byID(rows), []*serviceEdit{edit})
	if err != nil {
		return err
	}
	if due == nil {
		edit = &serviceEdit{command: ipvs.Command{Service: edit.command.Service}, target: edit.target, live: edit.live}
	}
	_, err = s.Apply(ctx, h, []Change{{Step: Service, Data: edit}})
	return err
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
	return LedgerOf(h, cluster.DirectorRole).Remember(lines)
}

// forget strikes out the services that are as before again, and ours no more.
func forget(h *host.Host, settled []*serviceTarget) error {
	var keys []string
	for _, t := range settled {
		if t.back {
			keys = append(keys, serviceKey(t.ID))
		}
	}
	return LedgerOf(h, cluster.DirectorRole).Forget(keys...)
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
