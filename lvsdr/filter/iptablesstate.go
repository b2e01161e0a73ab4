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
			a = a.or(tracked(f, when(f.packet.Translated || f.packet.Answers)))
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

func statusIn(t test, f *flow) answer {
	a := never
	for name := range strings.SplitSeq(t.word(), ",") {
		a = a.or(tracked(f, f.status(name)))
	}
	return a
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
		return when(f.packet.Translated || f.packet.Answers)
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

var kindNames = []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"}

func kindIn(t test, f *flow, a netip.Addr, doubt answer) answer {
	kind, ok := f.packet.kind(a)
	if !ok {
		return doubt
	}
	return when(slices.Contains(strings.Split(strings.ToUpper(t.word()), ","), kindNames[kind]))
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
	if len(t.words) > 1 && !strings.Contains(t.words[1], "dst") {
		return bySender
	}
	return unknown
}
