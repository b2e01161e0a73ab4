package step

import (
	"context"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Busy is a real server that is to leave a service, or whose service is to go, with
// the connections that are still open on it.
type Busy struct {
	Service     ipvs.ID
	RealServer  netip.AddrPort
	Connections int
}

// A DrainTrace hears of the drain of a director's services.
type DrainTrace struct {
	Waiting func(left []Busy, most time.Duration) // once, when it begins to wait
	Over    func(left []Busy)                     // its time is over, and these are cut
}

type drainTraceKey struct{}

// WithDrainTrace returns a context in which a drain tells trace how it goes.
func WithDrainTrace(ctx context.Context, trace DrainTrace) context.Context {
	return context.WithValue(ctx, drainTraceKey{}, trace)
}

// drainPoll is how often a drain looks at the connections that are left.
const drainPoll = 200 * time.Millisecond

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

// drain sets the real servers that are to leave to weight 0 and waits until their
// connections have ended, at most s.drain. New connections of a persistent client go
// elsewhere too, by expire_quiescent_template; those that a scheduler's hash ties to a
// leaving real server, by the flag that [services.fallBack] sets.
func (s *services) drainAll(ctx context.Context, h *host.Host, edits []*serviceEdit) error {
	all := leavers(edits)
	if len(all) == 0 || s.drain <= 0 {
		return nil
	}
	commands := fallBack(edits)
	for _, l := range all {
		if l.server.Weight != 0 {
			idle := *l.server
			idle.Weight = 0
			commands = append(commands, ipvs.Command{Op: ipvs.SetDestination, Service: l.service, Destination: &idle})
		}
	}
	if _, err := h.IPVS.Apply(ctx, commands); err != nil {
		return err
	}
	return s.wait(ctx, h, all)
}

func (s *services) wait(ctx context.Context, h *host.Host, all []leaver) error {
	trace, _ := ctx.Value(drainTraceKey{}).(DrainTrace)
	deadline, told := time.Now().Add(s.drain), false
	for {
		begun := time.Now()
		left, err := busy(ctx, h, all)
		if err != nil || len(left) == 0 {
			return err
		}
		if !told && trace.Waiting != nil {
			trace.Waiting(left, s.drain)
		}
		told = true
		if !time.Now().Before(deadline) {
			if trace.Over != nil {
				trace.Over(left)
			}
			return nil
		}
		// A long table of connections is not read all the time.
		pause := min(max(drainPoll, 10*time.Since(begun)), time.Until(deadline))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// fallBack returns the commands that have the services of removed real servers find
// another one for the clients that a hash ties to one of weight 0: sh and mh refuse
// those without their flag (ip_vs_sh_schedule, ip_vs_mh_schedule).
func fallBack(edits []*serviceEdit) []ipvs.Command {
	var commands []ipvs.Command
	for _, s := range hashed(edits) {
		with := *s
		with.Flags |= ipvs.Sched1
		commands = append(commands, ipvs.Command{Op: ipvs.SetService, Service: &with})
	}
	return commands
}

// giveFlagsBack ends what fallBack began, when the real servers are gone.
func giveFlagsBack(ctx context.Context, h *host.Host, edits []*serviceEdit) error {
	var commands []ipvs.Command
	for _, s := range hashed(edits) {
		commands = append(commands, ipvs.Command{Op: ipvs.SetService, Service: s})
	}
	if len(commands) == 0 {
		return nil
	}
	_, err := h.IPVS.Apply(ctx, commands)
	return err
}

// hashed are the services that stay, as they are to be, but lose a real server, and
// whose scheduler refuses its clients while it has weight 0.
func hashed(edits []*serviceEdit) []*ipvs.Service {
	var all []*ipvs.Service
	seen := map[ipvs.ID]bool{}
	for _, e := range edits {
		t := e.target
		if e.command.Op != ipvs.RemoveDestination || t.gone || seen[t.ID] || e.command.Service.Protocol == ipvs.UDP {
			continue
		}
		seen[t.ID] = true
		if cluster.HashScheduler(t.Scheduler) && t.Flags&ipvs.Sched1 == 0 {
			all = append(all, &t.Service)
		}
	}
	return all
}

// busy counts the connections that are left on those who leave. The kernel's own count
// of active ones has the half-open too (SYN_RECV, tcp_state_active_table in
// ip_vs_proto_tcp.c), which nobody uses: the list of connections tells them apart.
func busy(ctx context.Context, h *host.Host, all []leaver) ([]Busy, error) {
	active, err := activeOn(ctx, h, all)
	if err != nil || len(active) == 0 {
		return nil, err
	}
	established := map[flow]int{}
	listed := map[flow]bool{}
	if h.Observer != nil {
		list, err := h.Observer.Connections(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for i := 0; err == nil && i < len(list); i++ {
			if c := list[i]; !c.Template() {
				f := flow{c.Protocol, c.Virtual, c.Server}
				listed[f] = true
				if c.State == "ESTABLISHED" {
					established[f]++
				}
			}
		}
	}
	var left []Busy
	for _, b := range active {
		f := flow{b.Service.Protocol, netip.AddrPortFrom(b.Service.Addr, b.Service.Port), b.RealServer}
		if listed[f] {
			b.Connections = established[f]
		}
		if b.Connections > 0 {
			left = append(left, b)
		}
	}
	return left, nil
}

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
