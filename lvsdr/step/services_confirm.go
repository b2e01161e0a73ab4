package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// confirm looks again at what was changed, and fails with [ErrNoEffect] where one
// of the edits is still due. What else is due of their services is no business of
// theirs: each change may be made on its own. It returns the services of which
// nothing is left to do.
func confirm(ctx context.Context, h *host.Host, edits []*serviceEdit) (settled []*serviceTarget, err error) {
	rows, err := touchedRows(ctx, h, edits)
	if err != nil {
		return nil, err
	}
	seen := map[*serviceTarget]bool{}
	var last *serviceTarget
	for _, e := range edits {
		if e.target == last || seen[e.target] {
			continue
		}
		last = e.target
		seen[last] = true
		due, left, err := stillDue(ctx, h, last, rows, edits)
		switch {
		case err != nil:
			return nil, err
		case due != nil:
			return nil, fmt.Errorf("%s: %w", due, ErrNoEffect)
		case left == 0:
			settled = append(settled, last)
		}
	}
	return settled, nil
}

// stillDue compares a service with its target. It returns the first change that is
// due of what one of the edits is about, nil when there is none, and how many are
// due in all. With rows nil and edits on real servers alone the row of the service
// itself counts as it should be.
func stillDue(ctx context.Context, h *host.Host, t *serviceTarget, rows map[ipvs.ID]*ipvs.Service, edits []*serviceEdit) (*Change, int, error) {
	live, err := look(ctx, h, t.ID, rows, &t.Entry)
	if err != nil {
		return nil, 0, err
	}
	d := serviceDiff{host: h}
	d.compare(t, live)
	left := d.changes()
	at := slices.IndexFunc(left, func(c Change) bool {
		due := c.Data.(*serviceEdit)
		return slices.ContainsFunc(edits, due.sameObject)
	})
	if at < 0 {
		return nil, len(left), nil
	}
	return &left[at], len(left), nil
}

// sameObject tells whether both are about the same real server of a service, or
// both about the service itself.
func (e *serviceEdit) sameObject(other *serviceEdit) bool {
	a, b := e.command.Destination, other.command.Destination
	if e.target.ID != other.target.ID || other.command.Op == 0 || (a == nil) != (b == nil) {
		return false
	}
	return a == nil || sameServer(a, b)
}

// touchedRows reads the services anew, unless all edits were on real servers and
// none of them may be the last that its service was waiting for: then it is nil.
func touchedRows(ctx context.Context, h *host.Host, edits []*serviceEdit) (map[ipvs.ID]*ipvs.Service, error) {
	matters := func(e *serviceEdit) bool { return e.command.Destination == nil || e.target.back }
	if !slices.ContainsFunc(edits, matters) {
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
func look(ctx context.Context, h *host.Host, id ipvs.ID, rows map[ipvs.ID]*ipvs.Service, unchanged *ipvs.Entry) (*ipvs.Entry, error) {
	live := &ipvs.Entry{Service: unchanged.Service}
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
