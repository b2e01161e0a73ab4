package step

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Ports is the name of the step that lets the services' packets pass the packet
// filters.
const Ports = "ports"

// OpeningsOf returns what a firewall must let pass, sorted, each once.
func OpeningsOf(c cluster.Config) []host.Opening {
	var all []host.Opening
	for _, s := range c.Services {
		for _, p := range s.AllPorts() {
			all = append(all, host.Opening{VIP: s.VIP, Protocol: p.Protocol, Port: p.Number})
		}
	}
	slices.SortFunc(all, func(a, b host.Opening) int {
		return cmp.Or(a.VIP.Compare(b.VIP), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	return slices.Compact(all)
}

// TooBigOf is what routers tell the VIPs of the size of packets, which a firewall must
// let pass, or large answers stall on the way to some clients.
func TooBigOf(c cluster.Config) []host.Opening {
	var all []host.Opening
	for _, vip := range c.VIPs() {
		all = append(all, host.TooBig(vip))
	}
	return host.SortOpenings(all)
}

// SyncOf is where the directors tell each other of their connections, which their
// firewalls must let pass, both in and out.
func SyncOf(c cluster.Config) []host.Opening {
	var all []host.Opening
	for _, d := range c.SyncDaemons() {
		all = append(all, host.Opening{VIP: d.Group, Protocol: cluster.UDP, Port: d.Port})
	}
	return host.SortOpenings(all)
}

// AdvertisementsOf are the directors' own packets, which their firewalls must let pass
// with [cluster.Config.VRRP].
func AdvertisementsOf(c cluster.Config) []host.Opening {
	if c.VRRP == nil {
		return nil
	}
	var all []host.Opening
	if c.VRRP.Unicast {
		for _, d := range c.Directors {
			all = append(all, host.Opening{VIP: d.Address, Protocol: host.VRRPProtocol})
		}
		return host.SortOpenings(all)
	}
	for _, vip := range c.VIPs() {
		group := host.VRRPGroup4
		if vip.Is6() {
			group = host.VRRPGroup6
		}
		all = append(all, host.Opening{VIP: group, Protocol: host.VRRPProtocol})
	}
	return host.SortOpenings(all)
}

// DirectorPorts is the step that lets the services' packets pass the director's
// firewalls: on the way in, where IPVS picks them up only after the last filter
// of the input hook; on the way out, because IPVS sends them on through the
// output hook (net/netfilter/ipvs/ip_vs_xmit.c); and past connection tracking,
// which never sees the real servers' answers and takes the clients' packets for
// invalid. So it does with what routers tell the VIP of the size of packets, which IPVS
// hands on to the real server. What cannot drop is not touched.
func DirectorPorts(c cluster.Config) Step {
	return ports{host.SortOpenings(slices.Concat(OpeningsOf(c), TooBigOf(c), SyncOf(c), AdvertisementsOf(c))), c.Firewall, c.DrainTime(), true}
}

// RealServerPorts is the step that lets the services' packets pass the real
// server's firewalls on the way in. What cannot drop is not touched.
func RealServerPorts(c cluster.Config) Step {
	return ports{host.SortOpenings(slices.Concat(OpeningsOf(c), TooBigOf(c))), c.Firewall, c.DrainTime(), false}
}

type ports struct {
	openings []host.Opening
	firewall string
	drain    time.Duration
	director bool
}

func (p ports) Name() string { return Ports }

func (p ports) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	all, err := p.look(ctx, h, want)
	if err != nil {
		return nil, err
	}
	if err := p.known(all); want == Present && err != nil {
		return nil, err
	}
	let := p.letIn(all, h.Runtime)
	var edits []gateEdit
	for _, f := range all {
		more, err := p.edits(f, want, let, h.Runtime)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		edits = append(edits, more...)
	}
	// Packets are accepted everywhere before tracking loses sight of them, else
	// a filter that accepts established connections would drop these.
	slices.SortStableFunc(edits, func(a, b gateEdit) int { return a.order() - b.order() })
	if want == Absent {
		slices.Reverse(edits)
	}
	var changes []Change
	for _, e := range edits {
		changes = append(changes, e.changes(want)...)
	}
	return changes, nil
}

// A seen firewall is one with the gates that it has now.
type seen struct {
	host.Firewall
	gates []host.Gate
}

// look reads every firewall. One that is not chosen may be unreadable on the way up,
// or naming another firewall would be no way around it.
func (p ports) look(ctx context.Context, h *host.Host, want State) ([]seen, error) {
	var all []seen
	for _, f := range h.Firewalls {
		gates, err := f.Gates(ctx)
		if err != nil && (want == Absent || p.chooses(f.Name())) {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		all = append(all, seen{f, gates})
	}
	return all, nil
}

// known fails when the configuration names a firewall that the host has not got, or
// a manager that does not run.
func (p ports) known(all []seen) error {
	var names []string
	for _, f := range all {
		if slices.Contains(cluster.FirewallManagers, f.Name()) && !slices.ContainsFunc(f.gates, host.Gate.Runs) {
			continue
		}
		if p.chooses(f.Name()) {
			return nil
		}
		names = append(names, f.Name())
	}
	if p.firewall == "" || p.firewall == "auto" || p.firewall == "none" {
		return nil
	}
	return fmt.Errorf("firewall %q: this host has %s: name one of them, or auto or none",
		p.firewall, cmp.Or(strings.Join(names, ", "), "no firewall"))
}

func (p ports) chooses(firewall string) bool {
	return p.firewall == "" || p.firewall == "auto" || p.firewall == firewall
}

// letIn tells, of each manager that runs, which openings it lets in at once when the
// step is done: those are not put into the rules that it has loaded as well, where
// they would go with its next load.
func (p ports) letIn(all []seen, runtime bool) map[string]map[host.Opening]bool {
	let := map[string]map[host.Opening]bool{}
	for _, f := range all {
		for _, g := range f.gates {
			if g.Later || g.Stopped || !g.Filters || !slices.Contains(cluster.FirewallManagers, f.Name()) {
				continue
			}
			then := g.Openings
			if p.chooses(f.Name()) && !(runtime && g.Lasts) {
				then = p.wanted(g)
			}
			then = slices.Concat(then, p.admitted(g))
			if let[f.Name()] == nil {
				let[f.Name()] = map[host.Opening]bool{}
			}
			for _, o := range then {
				let[f.Name()][o] = true
			}
		}
	}
	return let
}

// edits are those due in the gates of one firewall. One that is not chosen is
// cleaned of our marks. What outlives a reboot is left alone by a set-up of the
// running host, and a firewall that does not run by any.
func (p ports) edits(f seen, want State, let map[string]map[host.Opening]bool, runtime bool) ([]gateEdit, error) {
	var edits []gateEdit
	for _, g := range f.gates {
		if runtime && g.Lasts || g.Stopped && bool(want) && p.chooses(f.Name()) {
			continue
		}
		var wanted []host.Opening
		if bool(want) && p.chooses(f.Name()) {
			wanted = p.wanted(g)
		}
		if !g.Output {
			wanted = slices.DeleteFunc(wanted, func(o host.Opening) bool { return let[g.Keeper][o] })
		}
		e := newGateEdit(f, g, wanted)
		if e.due() == 0 {
			continue
		}
		if g.Owner != "" {
			return nil, fmt.Errorf("%s: only %s can change it: let it admit %s and set up with firewall none",
				g.Name, g.Owner, host.JoinOpenings(wanted))
		}
		if g.Refuses != "" {
			return nil, fmt.Errorf("%s: %s; or set up with firewall none", g.Name, g.Refuses)
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// wanted returns the openings that a gate of a chosen firewall is to have.
func (p ports) wanted(g host.Gate) []host.Opening {
	if !g.Filters || !p.director && (g.Output || g.Untracked) {
		return nil
	}
	var wanted []host.Opening
	for _, o := range p.openings {
		if g.Untracked && (o.VIP.IsMulticast() || o.Protocol == host.VRRPProtocol) {
			continue // nobody answers it, or it is seen both ways
		}
		if (g.Family == "" || g.Family == o.Family()) && !slices.Contains(g.Unable, o.Protocol) && !slices.Contains(g.Admits, o.Protocol) {
			wanted = append(wanted, o)
		}
	}
	return wanted
}

// admitted returns the openings that a gate has no need of.
func (p ports) admitted(g host.Gate) []host.Opening {
	var all []host.Opening
	for _, o := range p.openings {
		if slices.Contains(g.Admits, o.Protocol) {
			all = append(all, o)
		}
	}
	return all
}

// A gateEdit brings one gate from the openings it has to those wanted.
type gateEdit struct {
	firewall     host.Firewall
	gate         host.Gate
	wanted       []host.Opening
	add, removed []host.Opening
}

func newGateEdit(f host.Firewall, g host.Gate, wanted []host.Opening) gateEdit {
	has := g.Openings
	if g.Shadowed {
		has = nil // to be put where they work
	}
	return gateEdit{f, g, wanted, missing(wanted, has), missing(g.Openings, wanted)}
}

// missing returns what is in a and not in b.
func missing(a, b []host.Opening) []host.Opening {
	known := make(map[host.Opening]bool, len(b))
	for _, o := range b {
		known[o] = true
	}
	var rest []host.Opening
	for _, o := range a {
		if !known[o] {
			rest = append(rest, o)
		}
	}
	return rest
}

func (e gateEdit) due() int { return len(e.add) + len(e.removed) }

func (e gateEdit) order() int {
	if e.gate.Untracked {
		return 1
	}
	return 0
}

// changes lists every opening that comes or goes. The gate is set as a whole by the
// first of them that is made, the others then have nothing left to do. While the role
// stays, what goes is closed last: what it lets pass may be draining.
func (e gateEdit) changes(want State) []Change {
	setOnce := func(openings []host.Opening) func(context.Context) error {
		set := false
		return func(ctx context.Context) error {
			if set {
				return nil
			}
			err := e.firewall.Set(ctx, e.gate.Name, openings)
			set = err == nil
			return err
		}
	}
	verdict := "accept"
	if e.gate.Untracked {
		verdict = "notrack"
	}
	place := host.Place{Firewall: e.firewall.Name(), Gate: e.gate.Name}
	change := func(op Op, o host.Opening, from, to string, do func(context.Context) error) Change {
		return Change{Step: Ports, Op: op, Object: o.String() + " in " + place.String(), From: from, To: to, Gate: &place,
			Late: want == Present && op == Remove, Do: do, Data: o}
	}
	var changes []Change
	add := setOnce(slices.Concat(e.wanted, e.removed))
	for _, o := range e.add {
		changes = append(changes, change(Add, o, "", verdict, add))
	}
	remove := setOnce(e.wanted)
	for _, o := range e.removed {
		changes = append(changes, change(Remove, o, verdict, "", remove))
	}
	return changes
}
