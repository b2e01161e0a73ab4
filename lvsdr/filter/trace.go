package filter

import (
	"net/netip"
	"slices"
	"strings"
)

// Trace works out what the chains of the packet's hook do with it: it must pass
// every one of them.
func (r *Ruleset) Trace(p Packet) Verdict {
	p.six = p.v6()
	f := &flow{packet: p, links: r.links}
	v := Verdict{Action: Accept}
	for _, b := range r.base {
		if !b.sees(f.packet, p.Before) {
			continue
		}
		f.base = b
		t := &tally{flow: f, within: map[*chain]bool{}}
		goesOn, d := t.walk(b.chain, 0)
		if goesOn {
			t.policy(b, d)
		}
		u := t.verdict()
		if u.Drops() {
			v.Action, v.Rule, v.Depends = u.Action, u.Rule, ""
			break
		}
		if u.Action == Unsure && (v.Action == Accept || v.Depends != ByMatch && u.Depends == ByMatch) {
			v.Action, v.Rule, v.Depends = Unsure, u.Rule, u.Depends
		}
	}
	v.Untracked, v.Translated, v.Packet = f.untracked.truth == yes, f.translated, f.packet
	return v
}

// sees tells whether the packet comes by the chain.
func (b *baseChain) sees(p Packet, before int) bool {
	switch {
	case b.arp != (p.arp != nil):
		return false
	case b.arp:
		return b.hook == p.Hook
	case b.hook == Ingress:
		return p.Hook == Prerouting && slices.Contains(b.devices, p.In)
	case b.hook == Egress:
		return p.Hook == Postrouting && slices.Contains(b.devices, p.Out)
	case b.hook != p.Hook, p.v6() && !b.v6, !p.v6() && !b.v4:
		return false
	case before != 0 && b.priority >= before:
		return false
	}
	return !b.nat || p.State == New || p.State == ""
}

// A flow is a packet on its way through the chains of a hook.
type flow struct {
	packet     Packet
	base       *baseChain
	untracked  answer // whether a rule has kept it out of connection tracking
	translated *Rule
	links      map[string]link
	rules      int // held against so far

	ip, body bits // the packet's headers, once they were asked for
}

// network is the packet's IP header, or what it has in its place.
func (f *flow) network() bits {
	if f.ip == nil {
		f.ip = f.packet.network()
	}
	return f.ip
}

// transport is the header behind it.
func (f *flow) transport() bits {
	if f.body == nil {
		f.body = f.packet.transport()
	}
	return f.body
}

// orAny is unknown for any packet.
func (f *flow) orAny(a answer) answer {
	if f.packet.any {
		return unknown
	}
	return a
}

// underRate tells whether the packet is within a rate: one alone always is.
func (f *flow) underRate() answer { return f.orAny(unlimited) }

// state is what "ct state" tells in the chain that the packet is in.
func (f *flow) state() (State, bool) {
	p := f.packet
	early := f.base.hook == Ingress || (f.base.hook == Prerouting || f.base.hook == Output) && f.base.priority < conntrackPriority
	switch {
	case f.untracked.truth == yes || p.State == Untracked:
		return Untracked, true
	case early && f.untracked.truth == no:
		return Invalid, true
	}
	return p.State, p.State != "" && !p.doubtful.state
}

// notrack keeps the packet out of connection tracking, which a rule can only
// before it is in.
func (f *flow) notrack(a answer) {
	early := f.base.priority < conntrackPriority
	if !early && f.packet.State != Invalid || a.truth == no {
		return
	}
	if a.truth == yes {
		f.untracked, f.packet.State = a, Untracked
	} else if f.untracked.truth == no {
		f.untracked, f.packet.doubtful.state = a, true
	}
}

// mark is "meta mark set".
func (f *flow) mark(a answer, value uint32, ok bool) {
	switch {
	case a.truth == yes && ok:
		f.packet.Mark, f.packet.doubtful.mark = value, false
	case a.truth != no:
		f.packet.doubtful.mark = true
	}
}

// connectionMark is the mark of the packet's connection. A new one has none.
func (f *flow) connectionMark() (mark uint32, ok bool) {
	if c := f.packet.connmark; c.set || c.doubt {
		return c.value, !c.doubt
	}
	return 0, f.packet.State == New && !f.packet.any
}

// setConnectionMark is "ct mark set".
func (f *flow) setConnectionMark(a answer, value uint32, ok bool) {
	c := &f.packet.connmark
	switch {
	case a.truth == yes && ok:
		*c = connmark{value: value, set: true}
	case a.truth != no:
		c.doubt = true
	}
}

// wanted is the destination that the client of a new connection wrote.
func (f *flow) wanted() (to netip.AddrPort, ok bool) {
	s, ok := f.state()
	if !ok || s != New || f.packet.any {
		return to, false
	}
	if to = f.packet.original; !to.IsValid() {
		to = netip.AddrPortFrom(f.packet.Dst, f.packet.DstPort)
	}
	return to, to.IsValid()
}

// translate is a rule of the table nat: the connection has another destination, or
// another source, from here on.
func (f *flow) translate(t translation, r Rule) {
	f.translated = &r
	if t.source {
		return
	}
	if !f.packet.original.IsValid() {
		f.packet.original = netip.AddrPortFrom(f.packet.Dst, f.packet.DstPort)
	}
	f.packet.Translated, f.packet.stateless, f.ip, f.body = true, false, nil, nil
	if t.local {
		f.packet.Dst = f.packet.Redirect
	} else if t.addr.IsValid() {
		f.packet.Dst = t.addr
	}
	if t.port != 0 {
		f.packet.DstPort = t.port
	}
}

// A tally is what may become of a packet in a base chain.
type tally struct {
	flow  *flow
	drop  *outcome // the first, one that does not depend on the sender before one that does
	pass  *outcome // the first, one that depends on the sender before one that does not
	queue *Rule
	// closed: a rule may drop that is no ban, that is, one that does not name the
	// senders it is against.
	closed bool
	admits int // ends that are no drop
	named  int // how many of the chains around are for senders that a rule names
	// within are the chains that the packet is in.
	within map[*chain]bool
}

type outcome struct {
	rule   Rule
	action Action
	doubt  doubt
}

// most is how many rules a packet is held against; chains that jump to chains that
// jump are soon more than anybody can wait for.
const most = 1 << 20

// walk holds the packet against a chain's rules. It tells whether the packet may
// come out at the end of the chain, and what that depends on. d is what it
// depends on that the packet comes here at all.
func (t *tally) walk(c *chain, d doubt) (goesOn bool, out doubt) {
	if t.within[c] {
		return true, d | aboutOther // the kernel has no loops; this is for listings that do
	}
	t.within[c] = true
	defer delete(t.within, c)
	left := false // some may have returned
	for i := range c.rules {
		if t.flow.rules++; t.flow.rules > most {
			t.ends(queues, func() Rule { return Rule{Text: "more rules than can be looked at"} }, d)
			t.closed, t.admits = true, t.admits+1
			return false, d
		}
		s := c.rules[i].run(t.flow)
		if s.match.truth == no {
			continue
		}
		stays, away, dd := t.follow(c, i, s, d)
		left = left || away
		if !stays {
			return left, d | out
		}
		if away {
			out |= dd
			d |= dd
		}
	}
	return true, d
}

// follow sends the packet to a rule's ends. stays tells whether it may go on with
// the next rule, away whether it may have left the chain for where this came from.
func (t *tally) follow(c *chain, i int, s step, d doubt) (stays, away bool, dd doubt) {
	dd = d | s.match.doubt
	if s.translates != nil && s.match.truth == yes && t.named == 0 {
		t.flow.translate(*s.translates, t.rule(c, i))
	}
	stays = len(s.ends) == 0 || s.match.truth == maybe
	for _, e := range s.ends {
		switch e.kind {
		case returns:
			away = true
		case jumps, leaps:
			goesOn, more := t.jump(e.to, s.match.doubt, dd)
			dd |= more
			stays = stays || goesOn && e.kind == jumps
			away = away || goesOn && e.kind == leaps
		default:
			t.ends(e.kind, func() Rule { return t.rule(c, i) }, dd)
			t.closed = t.closed || e.kind == queues || e.kind != passes && s.match.doubt&aboutNamed == 0
			if e.kind == queues || e.kind == passes {
				t.admits++
			}
		}
	}
	return stays, away, dd
}

// jump walks a chain for a rule that matches with the doubt own. For named senders
// alone, a chain that admits nothing is a ban.
func (t *tally) jump(to *chain, own, d doubt) (goesOn bool, out doubt) {
	closed, admits := t.closed, t.admits
	named := own&aboutNamed != 0
	if named {
		t.named++
		defer func() { t.named-- }()
	}
	goesOn, out = t.walk(to, d)
	if named && t.admits == admits {
		t.closed = closed
	}
	return goesOn, out
}

// rule tells of a rule where it stands.
func (t *tally) rule(c *chain, i int) Rule {
	r := c.rules[i].about()
	return t.at(c, r, i+1)
}

func (t *tally) at(c *chain, r Rule, number int) Rule {
	b := t.flow.base
	r.Tool, r.Variant, r.Family, r.Table, r.Chain, r.Number, r.Owned = c.tool, c.variant, c.family, c.table, c.name, number, c.owned
	r.Base, r.Hook, r.NAT = b.name, b.hook, b.nat
	return r
}

func (t *tally) policy(b *baseChain, d doubt) {
	r := Rule{Policy: true, Text: "policy accept"}
	kind := passes
	if b.drops {
		r.Text, kind = "policy drop", drops
	}
	if b.tool != ByNftables {
		r.Text = "policy " + strings.ToUpper(strings.TrimPrefix(r.Text, "policy "))
	}
	t.ends(kind, func() Rule { return t.at(b.chain, r, 0) }, d)
}

// ends notes an end of the packet's, with the rule where it is the one to tell of.
func (t *tally) ends(kind endKind, rule func() Rule, d doubt) {
	switch kind {
	case passes:
		if t.pass == nil || t.pass.doubt&aboutSource == 0 && d&aboutSource != 0 {
			t.pass = &outcome{rule(), Accept, d}
		}
	case queues:
		if t.queue == nil {
			r := rule()
			t.queue = &r
		}
	default:
		if t.drop != nil && (t.drop.doubt&aboutSource == 0 || d&aboutSource != 0) {
			return
		}
		t.drop = &outcome{rule(), Drop, d}
		if kind == rejects {
			t.drop.action = Reject
		}
	}
}

// verdict sums up. A drop that depends on the sender is a ban, and an accept that
// does is a permission for some: neither is a closed port.
func (t *tally) verdict() Verdict {
	v := Verdict{Action: Accept}
	switch {
	case t.drop == nil && t.queue == nil:
	case t.drop == nil:
		v.Action, v.Depends, v.Rule = Unsure, ByProgram, t.queue
	case t.pass == nil && t.queue == nil:
		v.Action, v.Rule = t.drop.action, &t.drop.rule
	default:
		v.Action, v.Depends, v.Rule = Unsure, ByMatch, &t.drop.rule
		bans := t.drop.doubt&aboutSource != 0
		admits := t.pass != nil && t.pass.doubt&aboutSource != 0
		switch {
		case t.pass == nil:
			v.Depends = ByProgram
		case bans || t.drop.doubt == 0 && admits:
			v.Depends = BySource
		}
	}
	return v
}
