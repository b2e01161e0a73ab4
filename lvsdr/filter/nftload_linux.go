package filter

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The expressions that load what is not in the packet, and those of type nat.

func (m *machine) meta(e expression) answer {
	p := m.flow.packet
	if e.has(unix.NFTA_META_SREG) {
		if e.number(unix.NFTA_META_KEY) == unix.NFT_META_MARK {
			value, ok := m.get(e.number(unix.NFTA_META_SREG), 4).certain()
			m.flow.mark(m.step.match, binary.NativeEndian.Uint32(append(value, 0, 0, 0, 0)), ok)
		}
		return surely
	}
	value := blank(16, aboutOther)
	switch e.number(unix.NFTA_META_KEY) {
	case unix.NFT_META_LEN:
		if !p.any {
			value = host32(uint32(p.length()))
		}
	case unix.NFT_META_PROTOCOL:
		value = known(binary.BigEndian.AppendUint16(nil, p.etherType())...)
	case unix.NFT_META_MARK:
		if !p.doubtful.mark {
			value = host32(p.Mark)
		}
	case unix.NFT_META_IIF:
		value = m.flow.link(p.In, p.anyIn())
	case unix.NFT_META_OIF:
		value = m.flow.link(p.Out, p.anyOut())
	case unix.NFT_META_IIFNAME:
		value = name(p.In, p.anyIn())
	case unix.NFT_META_OIFNAME:
		value = name(p.Out, p.anyOut())
	case unix.NFT_META_NFPROTO:
		value = known(p.nfproto())
	case unix.NFT_META_L4PROTO:
		value = known(p.Protocol)
	case unix.NFT_META_PKTTYPE:
		if kind, ok := p.packetType(); ok {
			value = known(kind)
		}
	}
	return m.set(e.number(unix.NFTA_META_DREG), value)
}

func (p Packet) nfproto() uint8 {
	switch {
	case p.arp != nil:
		return unix.NFPROTO_ARP
	case p.v6():
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// link is an interface's index, 0 for none.
func (f *flow) link(name string, whichever bool) bits {
	index, ok := f.links[name]
	switch {
	case name == "" && !whichever:
		return host32(0)
	case !ok:
		return blank(4, aboutOther)
	}
	return host32(uint32(index))
}

func name(s string, whichever bool) bits {
	if whichever {
		return blank(unix.IFNAMSIZ, aboutOther)
	}
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, s)
	return known(b...)
}

// ctStates are the bits of "ct state" (include/uapi/linux/netfilter/nf_conntrack_common.h).
var ctStates = map[State]uint32{Invalid: 1, Established: 2, Related: 4, New: 8, Untracked: 64}

func (m *machine) ct(e expression) answer {
	if e.has(unix.NFTA_CT_SREG) {
		return surely
	}
	to := e.number(unix.NFTA_CT_DREG)
	state, ok := m.flow.state()
	if e.number(unix.NFTA_CT_KEY) == unix.NFT_CT_STATE {
		if !ok {
			return m.set(to, blank(4, aboutOther))
		}
		return m.set(to, host32(ctStates[state]))
	}
	a := tracked(m.flow, surely) // without a connection the rule does not match
	value := blank(16, aboutOther)
	switch e.number(unix.NFTA_CT_KEY) {
	case unix.NFT_CT_STATUS:
		value = m.flow.statusBits()
	case unix.NFT_CT_PROTOCOL:
		value = known(m.flow.packet.Protocol)
	case unix.NFT_CT_L3PROTOCOL:
		value = known(m.flow.packet.nfproto())
	}
	m.set(to, value)
	return a
}

// statusBits is a connection's status, as far as it is known.
func (f *flow) statusBits() bits {
	var value, known uint32
	for bit, name := range []string{"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SNAT", "DNAT"} {
		switch f.status(name).truth {
		case yes:
			value |= 1 << bit
			known |= 1 << bit
		case no:
			known |= 1 << bit
		}
	}
	b := host32(value)
	for i, k := range binary.NativeEndian.AppendUint32(nil, known) {
		b[i].known, b[i].doubt = k, aboutOther
	}
	return b
}

func (m *machine) fib(e expression) answer {
	const addrtype = 3
	p, flags := m.flow.packet, e.number(unix.NFTA_FIB_FLAGS)
	addr, d := p.Dst, p.peer()
	if flags&unix.NFTA_FIB_F_SADDR != 0 {
		addr, d = p.Src, aboutNamed
	}
	value := blank(16, d)
	if kind, ok := p.kind(addr); ok && e.number(unix.NFTA_FIB_RESULT) == addrtype {
		value = host32(kind)
	}
	return m.set(e.number(unix.NFTA_FIB_DREG), value)
}

// extension is an extension header of IPv6, which the packet has none of, or an
// option of TCP.
func (m *machine) extension(e expression) answer {
	if e.has(unix.NFTA_EXTHDR_SREG) {
		return surely
	}
	if e.number(unix.NFTA_EXTHDR_OP) == unix.NFT_EXTHDR_OP_IPV6 {
		if e.number(unix.NFTA_EXTHDR_FLAGS)&unix.NFT_EXTHDR_F_PRESENT == 0 {
			return never
		}
		return m.set(e.number(unix.NFTA_EXTHDR_DREG), known(0))
	}
	m.set(e.number(unix.NFTA_EXTHDR_DREG), blank(16, aboutOther))
	return unknown
}

// nat changes the source or the destination to what the registers hold.
func (m *machine) nat(e expression) answer {
	t := &translation{source: e.number(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_SNAT}
	size := 4
	if m.flow.packet.v6() {
		size = 16
	}
	if e.has(unix.NFTA_NAT_REG_ADDR_MIN) {
		if data, ok := m.get(e.number(unix.NFTA_NAT_REG_ADDR_MIN), size).certain(); ok {
			t.addr, _ = netip.AddrFromSlice(data)
		}
	}
	t.port = m.port(e, unix.NFTA_NAT_REG_PROTO_MIN)
	return m.translate(t)
}

func (m *machine) masquerade(expression) answer { return m.translate(&translation{source: true}) }

func (m *machine) redirect(e expression) answer {
	return m.translate(&translation{local: true, port: m.port(e, unix.NFTA_REDIR_REG_PROTO_MIN)})
}

func (m *machine) translate(t *translation) answer {
	m.step.translates = t
	return m.end(end{kind: passes})
}

func (m *machine) port(e expression, typ uint16) uint16 {
	if data, ok := m.get(e.number(typ), 2).certain(); ok && e.has(typ) {
		return binary.BigEndian.Uint16(data)
	}
	return 0
}

// xtMatch is a match of iptables': those that every packet passes are known, the
// others only through the command that wrote them.
func (m *machine) xtMatch(e expression) answer {
	switch e.text(unix.NFTA_MATCH_NAME) {
	case "comment", "limit":
		return surely
	case "mac", "recent":
		return bySender
	}
	return unknown
}

func (m *machine) xtTarget(e expression) answer {
	target := e.text(unix.NFTA_TARGET_NAME)
	switch target {
	case "mangle": // arptables': what it was does not go out
		return m.end(end{kind: drops})
	case "REJECT":
		return m.end(end{kind: rejects})
	case "NOTRACK":
		m.flow.notrack(m.step.match)
	case "MARK":
		m.flow.mark(m.step.match, 0, false)
	case "REDIRECT":
		return m.translate(&translation{local: true})
	case "SNAT", "MASQUERADE":
		return m.translate(&translation{source: true})
	case "DNAT", "NETMAP":
		return m.translate(&translation{})
	default:
		if !Passing(target) {
			return m.end(end{kind: queues})
		}
	}
	return surely
}
