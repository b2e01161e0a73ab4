package filter

import (
	"iter"
	"sync"
)

// A Chain is a base chain as who changes it sees it.
type Chain struct {
	Tool    string // [ByNftables], or iptables' command
	Variant string // of iptables: "legacy" or "nft"
	Family  string // "inet", "ip", "ip6"
	Table   string
	Name    string
	Hook    Hook
	NAT     bool // it sees the first packet of each tracked connection
	Owned   bool // only the process that made the table can change it (flag owner)

	base *baseChain
}

// A ChainRule is a rule of a [Chain]. A host may have tens of thousands: what is asked
// for is worked out then.
type ChainRule struct{ rule rule }

// Handle is nftables' number of the rule.
func (r ChainRule) Handle() uint64 { return r.rule.handle() }

// Comment is that with which its owner has marked it.
func (r ChainRule) Comment() string { return r.rule.comment() }

// Keys are, with nftables, those of the sets that the rule looks packets up in.
func (r ChainRule) Keys() [][]byte { return r.rule.keys() }

// Line are its words, with iptables.
func (r ChainRule) Line() Line { return r.rule.line() }

// Target is where it sends packets, with iptables.
func (r ChainRule) Target() string { return r.rule.target() }

// Len is how many rules the chain has.
func (c Chain) Len() int {
	if c.base == nil {
		return 0
	}
	return len(c.base.rules)
}

// Rule is one of them, from 0.
func (c Chain) Rule(i int) ChainRule { return ChainRule{c.base.rules[i]} }

// Rules are all of them, in their order.
func (c Chain) Rules() iter.Seq2[int, ChainRule] {
	return func(yield func(int, ChainRule) bool) {
		for i := range c.Len() {
			if !yield(i, c.Rule(i)) {
				return
			}
		}
	}
}

// Chains are the base chains for IPv4 and IPv6, in the order in which packets meet
// them.
func (r *Ruleset) Chains() []Chain {
	var all []Chain
	for _, b := range r.base {
		if b.arp {
			continue
		}
		all = append(all, Chain{
			Tool: b.tool, Variant: b.variant, Family: b.family, Table: b.table, Name: b.name,
			Hook: b.hook, NAT: b.nat, Owned: b.owned, base: b,
		})
	}
	return all
}

// Closes tells which rule is the first that may drop a packet of some TCP, UDP or
// SCTP service, whatever its addresses, ports, interfaces and state are; the number
// of rules when it is the policy. Bans are no such rules: those that drop what comes
// from senders that they name, by themselves or through chains that let nothing
// pass, and what is above a rate. What [Ruleset.Trace] finds dropped in the chain,
// and not because of its sender, this rule or a later one drops.
func (c Chain) Closes() (first int, closes bool) {
	return c.base.services.of(c.base, tcp, udp, sctp)
}

// ClosesToTooBig is [Chain.Closes] for what routers say of the size of packets: ICMP
// fragmentation-needed, ICMPv6 packet-too-big.
func (c Chain) ClosesToTooBig() (first int, closes bool) { return c.base.tooBig.of(c.base, icmp4) }

// A closing is which rule of a chain is the first that may drop packets of some
// protocols. It is found once: it depends on the rules alone.
type closing struct {
	found  sync.Once
	first  int
	closes bool
}

func (c *closing) of(b *baseChain, protocols ...uint8) (first int, closes bool) {
	c.found.Do(func() {
		for _, p := range b.anyOf(protocols) {
			at, ok := b.closes(p)
			if ok && (!c.closes || at < c.first) {
				c.first, c.closes = at, true
			}
		}
	})
	return c.first, c.closes
}

// anyOf are the packets of these protocols, whatever else they are, in the families
// that come by; of ICMP those that tell the size of packets.
func (b *baseChain) anyOf(protocols []uint8) []Packet {
	var all []Packet
	for _, six := range []bool{false, true} {
		if six && !b.v6 || !six && !b.v4 {
			continue
		}
		for _, protocol := range protocols {
			p := Packet{Hook: b.hook, Protocol: protocol, six: six, any: true, doubtful: doubtful{mark: true}}
			switch {
			case protocol == icmp4 && six:
				p.Protocol, p.ICMPType = icmp6, 2
			case protocol == icmp4:
				p.ICMPType, p.ICMPCode = 3, 4
			}
			all = append(all, p)
		}
	}
	return all
}

// closes is [Chain.Closes] for one of the packets.
func (b *baseChain) closes(p Packet) (at int, ok bool) {
	t := &tally{flow: &flow{packet: p, base: b, rules: most - mostOfServices}, within: map[*chain]bool{b.chain: true}}
	for i, rule := range b.rules {
		s := rule.run(t.flow)
		if s.match.truth == no {
			continue
		}
		stays, away, _ := t.follow(b.chain, i, s, 0)
		if t.closed || away && b.drops && !s.lets() {
			return i, true
		}
		if !stays {
			return 0, false
		}
	}
	return len(b.rules), b.drops
}

// mostOfServices is how many rules in chains that are jumped to are looked at: a
// person waits for it.
const mostOfServices = 1 << 17

// lets tells whether a rule sends senders that it names to the chain's policy.
func (s step) lets() bool {
	for _, e := range s.ends {
		if e.kind != returns {
			return false
		}
	}
	return s.match.doubt&aboutNamed != 0
}

// anyIn tells whether the packet may have come by any interface: there is none on
// the way out.
func (p Packet) anyIn() bool { return p.any && p.Hook != Output && p.Hook != Postrouting }

// anyOut tells whether the packet may leave by any interface: there is none yet on
// the way in.
func (p Packet) anyOut() bool { return p.any && p.Hook != Prerouting && p.Hook != Input }
