package step

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

func (s *watched) Drain(ctx context.Context, h *host.Host, changes []Change) error {
	return s.services.Drain(ctx, h, changes)
}

// Apply ends keepalived where there is one, makes the changes of the table but for new
// real servers, and starts it where it is wanted. What waits for others, removals, is of
// real servers and services that keepalived does not know any more: it goes on.
func (s *watched) Apply(ctx context.Context, h *host.Host, changes []Change) (int, error) {
	now, err := lookAtKeepalived(ctx, h)
	if err != nil {
		return 0, err
	}
	own := engineEdits(changes)
	asked := func(e engineEdit) bool { return slices.Contains(own, e) }
	goes := asked(end) || asked(removeConf)
	wanted := s.config.Keepalived() && !goes && (now.running || asked(start))
	at := firstLate(changes)
	if at == 0 {
		return s.services.Apply(ctx, h, changes)
	} else if at > 0 { // keepalived does not wait for what drains
		done, err := s.Apply(ctx, h, changes[:at])
		if err != nil {
			return done, err
		}
		done, err = s.services.Apply(ctx, h, changes[at:])
		return at + done, err
	}
	if now.running || asked(removeConf) && h.Keepalived != nil { // one that was killed comes again
		if err := h.Keepalived.Stop(ctx); err != nil {
			return 0, err
		}
	}
	if asked(removeConf) {
		if err := h.Files.Remove(host.KeepalivedConf); err != nil {
			return 0, err
		}
	}
	table, newcomers := s.split(changes, own, wanted)
	if done, err := s.services.Apply(ctx, h, table); err != nil {
		return s.placeOf(changes, table, done), err
	}
	switch {
	case wanted:
		err = s.run(ctx, h, newcomers)
	case asked(writeConf):
		err = h.Files.WriteFile(host.KeepalivedConf, s.render(nil), 0o644)
	}
	if err != nil {
		return 0, err
	}
	return len(changes), nil
}

// engineEdits are those of the changes that are not of the table.
func engineEdits(changes []Change) (own []engineEdit) {
	for i := range changes {
		if e, ok := changes[i].Data.(engineEdit); ok {
			own = append(own, e)
		}
	}
	return own
}

// firstLate is the place of the first change that waits for others, -1 where none does.
func firstLate(changes []Change) int {
	for i := range changes {
		if changes[i].Late {
			return i
		}
	}
	return -1
}

// split takes out what keepalived does, the real servers that come in, or get their weight
// back, with their check, where it is to run. Where it does nothing the table's changes are
// all of them.
func (s *watched) split(changes []Change, own []engineEdit, wanted bool) (table, newcomers []Change) {
	if len(own) == 0 && !wanted {
		return changes, nil
	}
	for _, c := range changes {
		e, ok := c.Data.(*serviceEdit)
		switch {
		case !ok:
		case wanted && (e.command.Op == ipvs.AddDestination || s.returns(e)):
			newcomers = append(newcomers, c)
		default:
			table = append(table, c)
		}
	}
	return table, newcomers
}

// placeOf is how many of the changes were made, in their order, when so many of the
// table's were.
func (s *watched) placeOf(changes, table []Change, done int) int {
	if done >= len(table) {
		return len(changes)
	}
	return slices.IndexFunc(changes, func(c Change) bool { return c.Data == table[done].Data })
}

// settling is how long a new real server is waited for.
const settling = 3 * time.Second

// run has keepalived read a configuration for the table as it is, in which new real
// servers are to pass their check first, and leaves the one without them: a keepalived
// that is started anew without lvsdr finds the table full, and a real server of which it
// believes that it is not there would stay there dead.
func (s *watched) run(ctx context.Context, h *host.Host, newcomers []Change) error {
	var edits []*serviceEdit
	for _, c := range newcomers {
		edits = append(edits, c.Data.(*serviceEdit))
	}
	if err := remember(h, edits); err != nil {
		return err
	}
	there, err := s.inTable(ctx, h)
	if err != nil {
		return err
	}
	text := s.render(func(vip netip.Addr, p cluster.Port, rip netip.Addr) bool {
		m := member{ipvs.ID{Addr: vip, Port: p.Number, Protocol: p.Protocol}, rip}
		weight, in := there[m]
		return !in || weight == 0 && s.inhibits(m.service)
	})
	if err := h.Files.WriteFile(host.KeepalivedConf, text, 0o644); err != nil {
		return err
	}
	if err := h.Keepalived.Start(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx, h, edits); err != nil {
		return err
	}
	steady := s.render(nil)
	if bytes.Equal(steady, text) {
		return nil
	}
	return h.Files.WriteFile(host.KeepalivedConf, steady, 0o644)
}

// inTable are the weights of the real servers of the configuration's services that are in
// the table.
func (s *watched) inTable(ctx context.Context, h *host.Host) (map[member]int32, error) {
	rows, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return nil, err
	}
	there := map[member]int32{}
	live := byID(rows)
	for _, v := range s.want {
		if live[v.ID] == nil {
			continue
		}
		have, err := h.IPVS.Destinations(ctx, v.ID, ipvs.Plain)
		if err != nil {
			return nil, err
		}
		for _, d := range have {
			there[member{v.ID, d.Addr}] = d.Weight
		}
	}
	return there, nil
}

// settle reads the table until keepalived has put in what is new, for a while: what is
// not there by then has not passed its check, and is the doctor's to tell. What is there
// and otherwise than wanted is an error.
func (s *watched) settle(ctx context.Context, h *host.Host, newcomers []*serviceEdit) error {
	deadline := time.Now().Add(settling)
	for {
		wrong, missing, err := s.differences(ctx, h, newcomers)
		switch {
		case err != nil:
			return err
		case wrong == "" && missing == 0:
			return nil
		case !time.Now().Before(deadline) && wrong != "":
			return fmt.Errorf("keepalived has run for %v, and %s: %w", settling, wrong, ErrNoEffect)
		case !time.Now().Before(deadline):
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// differences tells what is otherwise than wanted, and how many of the newcomers are not
// in the table.
func (s *watched) differences(ctx context.Context, h *host.Host, newcomers []*serviceEdit) (wrong string, missing int, err error) {
	rows, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return "", 0, err
	}
	live := byID(rows)
	there := map[member]bool{}
	for i := range s.want {
		v := &s.want[i]
		switch row := live[v.ID]; {
		case row == nil:
			return "there is no service " + v.ID.String(), 0, nil
		case !sameService(row, &v.Service):
			return fmt.Sprintf("%s is %s, not %s", v.ID, describeService(row), describeService(&v.Service)), 0, nil
		}
		have, err := h.IPVS.Destinations(ctx, v.ID, ipvs.Plain)
		if err != nil {
			return "", 0, err
		}
		for j := range have {
			if s.waits(v, &have[j]) {
				continue
			}
			there[member{v.ID, have[j].Addr}] = true
			if text := otherwise(v, &have[j]); text != "" {
				wrong = text
			}
		}
	}
	for _, e := range newcomers {
		if !there[member{e.target.ID, e.command.Destination.Addr}] {
			missing++
		}
	}
	return wrong, missing, nil
}

// waits tells whether a real server of the table has weight 0 until it passes its check.
func (s *watched) waits(v *ipvs.Entry, have *ipvs.Destination) bool {
	return have.Weight == 0 && s.inhibits(v.ID) && slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool {
		return sameServer(&d, have) && d.Weight > 0
	})
}

// otherwise tells how a real server of the table differs from the one that is wanted.
func otherwise(v *ipvs.Entry, have *ipvs.Destination) string {
	i := slices.IndexFunc(v.Destinations, func(d ipvs.Destination) bool { return sameServer(&d, have) })
	if i < 0 || sameDestination(&v.Destinations[i], have) {
		return "" // or on its way out
	}
	return fmt.Sprintf("%s is %s, not %s", ipvs.ServerName(v.ID, *have), describeDestination(have), describeDestination(&v.Destinations[i]))
}
