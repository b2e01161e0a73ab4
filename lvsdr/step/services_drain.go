package step

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A leaver is a real server that leaves a service.
type leaver struct {
	service *ipvs.Service
	server  *ipvs.Destination
}

// leavers are the real servers whose connections the edits would break: those that are
// taken out, and all of a service that goes while the role stays. UDP has none: its
// next datagram is scheduled anew.
func leavers(edits []*serviceEdit) []leaver {
	var all []leaver
	for _, e := range edits {
		switch {
		case e.command.Op == 0 || e.command.Service.Protocol == ipvs.UDP:
		case e.command.Op == ipvs.RemoveDestination && !e.target.gone:
			all = append(all, leaver{e.command.Service, e.command.Destination})
		case e.command.Op == ipvs.RemoveService && e.target.stays && e.live != nil:
			for i := range e.live.Destinations {
				all = append(all, leaver{&e.live.Service, &e.live.Destinations[i]})
			}
		}
	}
	return all
}

// drainAll sets the real servers that are to leave to weight 0 and waits until their
// connections have ended, at most s.drain. New connections of a persistent client go
// elsewhere too, by expire_quiescent_template; those that a scheduler's hash ties to a
// leaving real server, by the flag that [fallBack] sets before.
func (s *services) drainAll(ctx context.Context, h *host.Host, edits []*serviceEdit) error {
	edits = slices.DeleteFunc(slices.Clone(edits), func(e *serviceEdit) bool { return e.drained })
	all := leavers(edits)
	if len(all) == 0 {
		return nil
	}
	look := func() ([]Busy, error) { return busy(ctx, h, all) }
	var made []Change
	if s.drain > 0 {
		var err error
		if made, err = makeIdle(ctx, h, append(fallBack(edits), idlers(all)...)); err != nil {
			return &DrainError{Made: made, Err: err}
		}
	}
	if _, err := await(ctx, s.drain, look); err != nil {
		return madeBefore(err, made)
	}
	for _, e := range edits {
		e.drained = true
	}
	return nil
}

// madeBefore adds what was changed before a drain that was broken off.
func madeBefore(err error, made []Change) error {
	var broken *DrainError
	if errors.As(err, &broken) {
		broken.Made = made
	}
	return err
}

// makeIdle makes changes whose Data are commands, in one stream, and returns those made.
func makeIdle(ctx context.Context, h *host.Host, changes []Change) ([]Change, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	commands := make([]ipvs.Command, len(changes))
	for i, c := range changes {
		commands[i] = c.Data.(ipvs.Command)
	}
	done, err := h.IPVS.Apply(ctx, commands)
	return changes[:min(done, len(changes))], err
}

// idlers are the changes that give those who leave no new connections.
func idlers(all []leaver) []Change {
	var changes []Change
	for _, l := range all {
		if l.server.Weight == 0 {
			continue
		}
		idle := *l.server
		idle.Weight = 0
		changes = append(changes, Change{
			Step: Service, Op: Set, Object: l.service.ID.String() + " -> " + server(l.server).String(),
			From: describeDestination(l.server), To: describeDestination(&idle),
			Data: ipvs.Command{Op: ipvs.SetDestination, Service: l.service, Destination: &idle},
		})
	}
	return changes
}

// fallBack returns the changes that have the services of removed real servers find
// another one for the clients that a hash ties to one of weight 0: sh and mh refuse
// those without their flag (ip_vs_sh_schedule, ip_vs_mh_schedule).
func fallBack(edits []*serviceEdit) []Change {
	var changes []Change
	for _, e := range hashed(edits) {
		with := e.target.Service
		with.Flags |= ipvs.Sched1
		if e.live != nil && sameService(&with, &e.live.Service) {
			continue // a drain before this one has set it
		}
		changes = append(changes, Change{
			Step: Service, Op: Set, Object: with.ID.String(), From: describeService(&e.target.Service), To: describeService(&with),
			Data: ipvs.Command{Op: ipvs.SetService, Service: &with},
		})
	}
	return changes
}

// giveFlagsBack ends what fallBack began, when the real servers are gone.
func giveFlagsBack(ctx context.Context, h *host.Host, edits []*serviceEdit) error {
	var commands []ipvs.Command
	for _, e := range hashed(edits) {
		commands = append(commands, ipvs.Command{Op: ipvs.SetService, Service: &e.target.Service})
	}
	if len(commands) == 0 {
		return nil
	}
	_, err := h.IPVS.Apply(ctx, commands)
	return err
}

// hashed has an edit for each service that stays but loses a real server, and whose
// scheduler refuses its clients while it has weight 0.
func hashed(edits []*serviceEdit) []*serviceEdit {
	var all []*serviceEdit
	seen := map[ipvs.ID]bool{}
	for _, e := range edits {
		t := e.target
		if e.command.Op != ipvs.RemoveDestination || t.gone || seen[t.ID] || e.command.Service.Protocol == ipvs.UDP {
			continue
		}
		seen[t.ID] = true
		if cluster.HashScheduler(t.Scheduler) && t.Flags&ipvs.Sched1 == 0 {
			all = append(all, e)
		}
	}
	return all
}

// busy counts the connections that are left on those who leave. The kernel's own count
// of active ones has the half-open too (SYN_RECV, tcp_state_active_table in
// ip_vs_proto_tcp.c), which nobody uses: the list of connections tells them apart, of a
// large table as far as it goes.
func busy(ctx context.Context, h *host.Host, all []leaver) ([]Busy, error) {
	active, err := activeOn(ctx, h, all)
	if err != nil || len(active) == 0 {
		return nil, err
	}
	established, half, err := listed(ctx, h)
	if err != nil {
		return nil, err
	}
	var left []Busy
	for _, b := range active {
		f := flow{b.Service.Protocol, netip.AddrPortFrom(b.Service.Addr, b.Service.Port), b.RealServer}
		b.Connections = max(established[f], b.Connections-half[f])
		if b.Connections > 0 {
			left = append(left, b)
		}
	}
	return left, nil
}

// listed counts the connections of the list that are established, and half-open; none
// where there is no list.
func listed(ctx context.Context, h *host.Host) (established, half map[flow]int, err error) {
	established, half = map[flow]int{}, map[flow]int{}
	if h.Observer == nil {
		return established, half, nil
	}
	list, err := h.Observer.Connections(ctx)
	if err != nil {
		return established, half, ctx.Err() // unread, the kernel's count is what there is
	}
	for i := range list {
		c := &list[i]
		f := flow{c.Protocol, c.Virtual, c.Server}
		switch {
		case c.Template():
		case c.State == "ESTABLISHED":
			established[f]++
		case slices.Contains(halfOpen, c.State):
			half[f]++
		}
	}
	return established, half, nil
}

// halfOpen are the states that the kernel counts as active before TCP's ESTABLISHED.
var halfOpen = []string{"SYN_RECV", "SYN_SENT", "SYNACK"}

// A flow is a real server of a service, as the list of connections names it.
type flow struct {
	protocol        ipvs.Protocol
	virtual, server netip.AddrPort
}

// activeOn returns those who leave with active connections, by the kernel's count.
func activeOn(ctx context.Context, h *host.Host, all []leaver) ([]Busy, error) {
	leaving := map[ipvs.ID]map[netip.AddrPort]bool{}
	var order []ipvs.ID
	for _, l := range all {
		if leaving[l.service.ID] == nil {
			leaving[l.service.ID] = map[netip.AddrPort]bool{}
			order = append(order, l.service.ID)
		}
		leaving[l.service.ID][server(l.server)] = true
	}
	var left []Busy
	for _, id := range order {
		have, err := h.IPVS.Destinations(ctx, id, ipvs.Plain)
		if err != nil {
			return nil, err
		}
		for i := range have {
			if d := &have[i]; d.Active > 0 && leaving[id][server(d)] {
				left = append(left, Busy{id, server(d), int(d.Active)})
			}
		}
	}
	return left, nil
}
