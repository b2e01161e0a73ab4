package filter

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

var flagBits = map[string]uint8{
	"FIN": FIN, "SYN": SYN, "RST": RST, "PSH": PSH, "ACK": ACK, "URG": 32, "ALL": 63, "NONE": 0,
}

func tcpFlags(t test, f *flow) answer {
	if len(t.words) != 2 {
		return unknown
	}
	var sets [2]uint8
	for i, w := range t.words {
		for name := range strings.SplitSeq(w, ",") {
			bit, ok := flagBits[name]
			if !ok {
				return unknown
			}
			sets[i] |= bit
		}
	}
	return flagsAre(f, sets[0], sets[1])
}

func flagsAre(f *flow, mask, want uint8) answer {
	if f.packet.any && f.packet.Protocol == tcp {
		return unknown
	}
	return when(f.packet.Protocol == tcp && f.packet.TCPFlags&mask == want)
}

// icmpIs compares with "3/4", "3", "8" and "any", which is 255.
func icmpIs(text string, protocol uint8, f *flow) answer {
	if f.packet.Protocol != protocol {
		return never
	}
	typ, code, both := strings.Cut(text, "/")
	if text == "any" || text == "255" && protocol == icmp4 {
		return surely
	}
	n, err := strconv.ParseUint(typ, 10, 8)
	if err != nil {
		return unknown
	}
	a := when(uint8(n) == f.packet.ICMPType)
	if both {
		c, err := strconv.ParseUint(code, 10, 8)
		if err != nil {
			return unknown
		}
		a = a.and(when(uint8(c) == f.packet.ICMPCode))
	}
	return a
}

// tracked is the answer for a packet of a tracked connection; others match nothing.
func tracked(f *flow, a answer) answer {
	s, ok := f.state()
	switch {
	case !ok:
		return unknown
	case s == Invalid || s == Untracked:
		return never
	}
	return a
}

func stateIn(t test, f *flow) answer {
	a := never
	for name := range strings.SplitSeq(t.word(), ",") {
		switch name {
		case "DNAT":
			a = a.or(tracked(f, when(f.packet.hasOtherDestination())))
		case "SNAT":
			a = a.or(tracked(f, when(f.packet.State != New).and(unknown)))
		default:
			s, ok := f.state()
			if !ok {
				return unknown
			}
			a = a.or(when(strings.EqualFold(name, string(s))))
		}
	}
	return a
}

// hasOtherDestination tells whether connection tracking knows the packet's connection to
// have another destination than the client wrote.
func (p Packet) hasOtherDestination() bool { return p.Translated && !p.stateless || p.Answers }

// wantedIs compares with the destination that the client wrote.
func wantedIs(t test, f *flow) answer {
	to, ok := f.wanted()
	switch {
	case !ok:
		return t.ofConnection(f, unknown)
	case t.option == "--ctorigdst":
		return addressIn(t.word(), to.Addr(), unknown)
	}
	return within(t.word(), uint64(to.Port()))
}

func statusIn(t test, f *flow) answer {
	a := never
	for name := range strings.SplitSeq(t.word(), ",") {
		a = a.or(f.status(name))
	}
	return t.ofConnection(f, a)
}

// status is a bit of a connection's status (include/uapi/linux/netfilter/nf_conntrack_common.h).
func (f *flow) status(name string) answer {
	if f.packet.any {
		return unknown
	}
	isNew := f.packet.State == New
	switch strings.ToUpper(name) {
	case "NONE", "EXPECTED":
		return when(false)
	case "SEEN_REPLY", "SEEN-REPLY":
		return when(!isNew)
	case "CONFIRMED":
		return when(!isNew)
	case "DNAT":
		return when(f.packet.hasOtherDestination())
	case "ASSURED", "SNAT":
		if isNew {
			return never
		}
	}
	return unknown
}

func markIs(t test, f *flow) answer {
	value, mask, ok := parseMark(t.word())
	if !ok || f.packet.doubtful.mark {
		return unknown
	}
	return when(f.packet.Mark&mask == value)
}

func connectionMarkIs(t test, f *flow) answer {
	value, mask, ok := parseMark(t.word())
	mark, known := f.connectionMark()
	if !ok || !known {
		return t.ofConnection(f, unknown)
	}
	return t.ofConnection(f, when(mark&mask == value))
}

// ofConnection is the answer about a tracked connection. Without one the condition does
// not hold, inverted or not; and nobody asks for it where the same match has asked for
// the state (conntrack_mt in net/netfilter/xt_conntrack.c, connmark_mt in xt_connmark.c).
func (t test) ofConnection(f *flow, a answer) answer {
	if tracked(f, surely).truth == no {
		return when(t.stated != t.inverted)
	}
	return tracked(f, a)
}

// directionIs: the first packet of a connection goes in its original direction.
func directionIs(t test, f *flow) answer {
	if s, ok := f.state(); ok && s == New {
		return when(strings.EqualFold(t.word(), "original"))
	}
	return t.ofConnection(f, unknown)
}

// helped tells whether another connection has brought about the packet's.
func helped(_ test, f *flow) answer {
	if s, ok := f.state(); !ok || s == Related {
		return unknown
	}
	return never
}

// segmentSizeIn compares with the size of segments in a SYN; other segments have none.
func segmentSizeIn(t test, f *flow) answer {
	switch p := f.packet; {
	case p.Protocol != tcp:
		return never
	case p.any:
		return unknown
	case p.TCPFlags&SYN == 0:
		return t.unless()
	}
	return within(t.word(), uint64(f.packet.usualMSS()))
}

// unless is the answer that is no when the condition is inverted as well: the kernel has
// nothing to compare.
func (t test) unless() answer { return when(t.inverted) }

// serviceIs compares with the type of service, which is 0, or with its upper bits.
func serviceIs(t test, f *flow, shift int) answer {
	value, mask, ok := parseMark(t.word())
	if !ok {
		return unknown
	}
	if f.packet.any {
		return unknown
	}
	service := f.network()[1]
	if f.packet.v6() {
		head := f.network()
		service = cell{value: head[0].value<<4 | head[1].value>>4, known: head[0].known<<4 | head[1].known>>4}
	}
	if service.known != 0xff {
		return unknown
	}
	return when(uint32(service.value>>shift)&mask == value)
}

// bridged: only a packet that has come over a bridge has ports of it.
func bridged(_ test, f *flow) answer {
	l, ok := f.links[f.packet.In]
	switch {
	case f.packet.In == "" && !f.packet.anyIn():
		return never
	case ok && (l.kind == "" || l.kind == "veth" || l.kind == "bond" || l.kind == "dummy"):
		return never
	}
	return unknown
}

func groupIs(t test, f *flow, name string) answer {
	l, ok := f.links[name]
	value, mask, read := parseMark(t.word())
	if !ok || !read {
		return unknown
	}
	return when(l.group&mask == value)
}

var kindNames = []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"}

// aboutDestination is the answer when the kind of the destination is not known.
func (p Packet) aboutDestination() answer {
	if p.Dst.IsValid() {
		return unknown
	}
	return answer{maybe, p.peer()}
}

func kindIn(t test, f *flow, a netip.Addr, doubt answer) answer {
	kind, ok := f.packet.kind(a)
	switch t.limits {
	case "--limit-iface-in":
		kind, ok = f.packet.kindOn(a)
	case "--limit-iface-out":
		ok = false
	}
	if !ok {
		return doubt
	}
	wanted := strings.Split(strings.ToUpper(t.word()), ",")
	if !f.packet.v6() {
		return when(slices.Contains(wanted, kindNames[kind]))
	}
	// Of IPv6 each kind asks for something by itself, and LOCAL is UNICAST as well
	// (match_type6 in net/netfilter/xt_addrtype.c).
	for _, w := range []string{"MULTICAST", "UNICAST"} {
		if slices.Contains(wanted, w) && (kindNames[kind] == "MULTICAST") != (w == "MULTICAST") {
			return never
		}
	}
	looked := []string{"LOCAL", "ANYCAST", "UNREACHABLE"}
	if slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(looked, w) }) {
		return when(slices.Contains(looked, kindNames[kind]) && slices.Contains(wanted, kindNames[kind]))
	}
	return surely
}

// packetType is how the packet came: to this host, or to many (linux/if_packet.h).
func (p Packet) packetType() (kind byte, ok bool) {
	switch {
	case p.In == "":
		return 0, false
	case p.Dst.IsMulticast():
		return 2, true
	}
	return 0, true
}

func packetTypeIs(t test, f *flow) answer {
	kind, ok := f.packet.packetType()
	if !ok {
		return unknown
	}
	return when(slices.Index([]string{"unicast", "broadcast", "multicast"}, t.word()) == int(kind))
}

// setOf: who is in an ipset is not looked up; a set of senders is a ban or a permission.
func setOf(t test, _ *flow) answer {
	if len(t.words) > 1 && strings.HasPrefix(t.words[1], "src") { // also who asked for which port
		return bySender
	}
	return unknown
}
