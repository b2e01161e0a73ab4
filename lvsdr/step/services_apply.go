package step

import (
	"context"
	"slices"

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
		if e.command.Op == ipvs.RemoveDestination || e.command.Op == ipvs.RemoveService {
			removals = i
			break
		}
	}
	done, err := send(ctx, h, edits[:removals])
	if err != nil {
		return done, err
	}
	if removals < len(edits) {
		if err := s.drainAll(ctx, h, edits[removals:]); err != nil { // nothing is left to do when Drain was asked
			return done, err
		}
		n, err := send(ctx, h, edits[removals:])
		if done += n; err != nil {
			return done, err
		}
		if err := giveFlagsBack(ctx, h, edits[removals:]); err != nil {
			return done, err
		}
	}
	settled, err := confirm(ctx, h, edits)
	if err != nil {
		return done, err
	}
	return done, forget(h, settled)
}

// Drain implements [Drainer].
func (s *services) Drain(ctx context.Context, h *host.Host, changes []Change) error {
	edits := make([]*serviceEdit, len(changes))
	for i := range changes {
		edits[i] = changes[i].Data.(*serviceEdit)
	}
	return s.drainAll(ctx, h, edits)
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
	for _, e := range edits {
		if e.command.Op != 0 {
			commands = append(commands, e.command)
		}
	}
	if len(commands) == 0 {
		return len(edits), nil
	}
	done, err := h.IPVS.Apply(ctx, commands)
	if err != nil && done < len(commands) {
		return placeOfCommand(edits, done), err
	}
	return len(edits), err
}

// placeOfCommand is the place of the edit with the nth command, counted from 0.
func placeOfCommand(edits []*serviceEdit, n int) int {
	return slices.IndexFunc(edits, func(e *serviceEdit) bool {
		if e.command.Op != 0 {
			n--
		}
		return n < 0
	})
}

// remember writes down what was there before the edits, for services of which the
// ledger does not know yet.
func remember(h *host.Host, edits []*serviceEdit) error {
	lines := map[string]string{}
	var last *serviceTarget
	for _, e := range edits {
		if e.target.known || e.target == last {
			continue
		}
		last = e.target
		if _, ok := lines[last.key]; ok {
			continue
		}
		lines[last.key] = ""
		if e.live == nil {
			continue
		}
		before, err := encodeService(e.live)
		if err != nil {
			return err
		}
		lines[last.key] = before
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
			keys = append(keys, t.key)
		}
	}
	return LedgerOf(h, cluster.DirectorRole).Forget(keys...)
}
