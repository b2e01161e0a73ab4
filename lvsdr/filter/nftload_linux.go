package filter

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The expressions that load what is not in the packet, and those of type nat.

func (m *machine) meta(e expression) answer {
	if e.has(unix.NFTA_META_SREG) {
		if e.number(unix.NFTA_META_KEY) == unix.NFT_META_MARK {
			value, ok := m.get(e.number(unix.NFTA_META_SREG), 4).certain(nil)
			m.flow.mark(m.step.match, binary.NativeEndian.Uint32(append(value, 0, 0, 0, 0)), ok)
		}
		return surely
	}
	p, to := &m.flow.packet, e.number(unix.NFTA_META_DREG)
	switch e.number(unix.NFTA_META_KEY) {
	case unix.NFT_META_LEN:
		if !p.any {
			return m.load32(to, uint32(p.length()))
		}
	case unix.NFT_META_PROTOCOL:
		return m.load(to, byte(p.etherType()>>8), byte(p.etherType()))
	case unix.NFT_META_MARK:
		if !p.doubtful.mark {
			return m.load32(to, p.Mark)
		}
	case unix.NFT_META_IIF:
		return m.link(to, p.In, p.anyIn())
	case unix.NFT_META_OIF:
		return m.link(to, p.Out, p.anyOut())
	case unix.NFT_META_IIFTYPE, unix.NFT_META_IIFGROUP:
		return m.ofLink(e, p.In, p.anyIn())
	case unix.NFT_META_OIFTYPE, unix.NFT_META_OIFGROUP:
		return m.ofLink(e, p.Out, p.anyOut())
	case unix.NFT_META_IIFNAME:
		return m.name(to, p.In, p.anyIn())
	case unix.NFT_META_OIFNAME:
		return m.name(to, p.Out, p.anyOut())
	case unix.NFT_META_NFPROTO:
		return m.load(to, p.nfproto())
	case unix.NFT_META_L4PROTO:
		return m.load(to, p.Protocol)
	case unix.NFT_META_PKTTYPE:
		if kind, ok := p.packetType(); ok {
			return m.load(to, kind)
		}
	}
	return m.blank(to, 16, aboutOther)
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

// ofLink loads an interface's type or group. Without one the rule does not match.
func (m *machine) ofLink(e expression, name string, whichever bool) answer {
	to, key := e.number(unix.NFTA_META_DREG), e.number(unix.NFTA_META_KEY)
	l, ok := m.flow.links[name]
	switch {
	case name == "" && !whichever:
		return never
	case !ok:
		return m.blank(to, 4, aboutOther)
	case key == unix.NFT_META_IIFGROUP || key == unix.NFT_META_OIFGROUP:
		return m.load32(to, l.group)
	}
	return m.load(to, binary.NativeEndian.AppendUint16(nil, l.typ)...)
}

// link loads an interface's index, 0 for none.
func (m *machine) link(to uint32, name string, whichever bool) answer {
	l, ok := m.flow.links[name]
	switch {
	case name == "" && !whichever:
		return m.load32(to, 0)
	case !ok:
		return m.blank(to, 4, aboutOther)
	}
	return m.load32(to, l.index)
}

func (m *machine) name(to uint32, name string, whichever bool) answer {
	if whichever {
		return m.blank(to, unix.IFNAMSIZ, aboutOther)
	}
	var b [unix.IFNAMSIZ]byte
	copy(b[:], name)
	return m.load(to, b[:]...)
}

// ctStates are the bits of "ct state" (include/uapi/linux/netfilter/nf_conntrack_common.h).
var ctStates = map[State]uint32{Invalid: 1, Established: 2, Related: 4, New: 8, Untracked: 64}

func (m *machine) ct(e expression) answer {
	if e.has(unix.NFTA_CT_SREG) {
		if e.number(unix.NFTA_CT_KEY) == unix.NFT_CT_MARK {
			value, ok := m.get(e.number(unix.NFTA_CT_SREG), 4).certain(nil)
			m.flow.setConnectionMark(m.step.match.and(tracked(m.flow, surely)), binary.NativeEndian.Uint32(append(value, 0, 0, 0, 0)), ok)
		}
		return surely
	}
	to := e.number(unix.NFTA_CT_DREG)
	state, ok := m.flow.state()
	if e.number(unix.NFTA_CT_KEY) == unix.NFT_CT_STATE {
		if !ok {
			return m.blank(to, 4, aboutOther)
		}
		return m.load32(to, ctStates[state])
	}
	switch e.number(unix.NFTA_CT_KEY) {
	case unix.NFT_CT_STATUS:
		m.set(to, m.flow.statusBits())
	case unix.NFT_CT_PROTOCOL:
		m.load(to, m.flow.packet.Protocol)
	case unix.NFT_CT_L3PROTOCOL:
		m.load(to, m.flow.packet.nfproto())
	case unix.NFT_CT_MARK:
		if mark, ok := m.flow.connectionMark(); ok {
			m.load32(to, mark)
		} else {
			m.blank(to, 4, aboutOther)
		}
	case unix.NFT_CT_HELPER: // that of the connection which has brought this one about
		if ok && state != Related {
			return never
		}
		m.blank(to, 16, aboutOther)
	case unix.NFT_CT_DST, ctDstIP, ctDstIP6, unix.NFT_CT_PROTO_DST:
		m.wanted(e)
	case unix.NFT_CT_DIRECTION:
		if !ok || state != New {
			m.blank(to, 1, aboutOther)
		} else {
			m.load(to, 0)
		}
	default:
		m.blank(to, 16, aboutOther)
	}
	return tracked(m.flow, surely) // without a connection the rule does not match
}

// Keys that golang.org/x/sys has not got: "ct original ip daddr", "ct original ip6 daddr".
const (
	ctDstIP  = 20
	ctDstIP6 = 22
)

// wanted loads the destination that the client wrote.
func (m *machine) wanted(e expression) {
	const original = 0
	dst, ok := m.flow.wanted()
	switch to := e.number(unix.NFTA_CT_DREG); {
	case !ok || !e.has(unix.NFTA_CT_DIRECTION) || e.number(unix.NFTA_CT_DIRECTION) != original:
		m.blank(to, 16, aboutOther)
	case e.number(unix.NFTA_CT_KEY) == unix.NFT_CT_PROTO_DST:
		m.load(to, byte(dst.Port()>>8), byte(dst.Port()))
	default:
		m.load(to, dst.Addr().AsSlice()...)
	}
}

// statusBits is a connection's status, as far as it is known.
func (f *flow) statusBits() bits {
	var value, sure uint32
	for bit, name := range []string{"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SNAT", "DNAT"} {
		switch f.status(name).truth {
		case yes:
			value |= 1 << bit
			sure |= 1 << bit
		case no:
			sure |= 1 << bit
		}
	}
	b := known(binary.NativeEndian.AppendUint32(nil, value)...)
	for i, k := range binary.NativeEndian.AppendUint32(nil, sure) {
		b[i].known, b[i].doubt = k, aboutOther
	}
	return b
}

func (m *machine) fib(e expression) answer {
	const addrtype = 3
	p, flags := m.flow.packet, e.number(unix.NFTA_FIB_FLAGS)
	addr, d := p.Dst, p.peer()
	if addr.IsValid() {
		d = aboutOther
	}
	if flags&unix.NFTA_FIB_F_SADDR != 0 {
		addr, d = p.Src, aboutNamed
	}
	kindOf := p.kind
	if flags&unix.NFTA_FIB_F_IIF != 0 {
		kindOf = p.kindOn
	}
	if kind, ok := kindOf(addr); ok && e.number(unix.NFTA_FIB_RESULT) == addrtype && flags&unix.NFTA_FIB_F_OIF == 0 {
		return m.load32(e.number(unix.NFTA_FIB_DREG), kind)
	}
	return m.blank(e.number(unix.NFTA_FIB_DREG), 16, d)
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
		return m.load(e.number(unix.NFTA_EXTHDR_DREG), 0)
	}
	to, present := e.number(unix.NFTA_EXTHDR_DREG), e.number(unix.NFTA_EXTHDR_FLAGS)&unix.NFT_EXTHDR_F_PRESENT != 0
	p := m.flow.packet
	switch op := e.number(unix.NFTA_EXTHDR_OP); {
	case op == unix.NFT_EXTHDR_OP_TCPOPT && p.Protocol != tcp:
		return never
	case op == unix.NFT_EXTHDR_OP_TCPOPT && !p.any && e.number(unix.NFTA_EXTHDR_TYPE) == tcpMSS:
		return m.segmentSize(to, present, int(e.number(unix.NFTA_EXTHDR_OFFSET)))
	}
	m.blank(to, 16, aboutOther)
	return unknown
}

// tcpMSS is the kind of TCP's option for the size of segments, which SYNs have.
const tcpMSS = 2

func (m *machine) segmentSize(to uint32, present bool, offset int) answer {
	p := m.flow.packet
	switch syn := p.TCPFlags&SYN != 0; {
	case present && syn:
		return m.load(to, 1)
	case present:
		return m.load(to, 0)
	case !syn:
		return never
	case offset == 2:
		return m.load(to, binary.BigEndian.AppendUint16(nil, p.usualMSS())...)
	}
	return m.blank(to, 4, aboutOther)
}

// nat changes the source or the destination to what the registers hold.
func (m *machine) nat(e expression) answer {
	t := &translation{source: e.number(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_SNAT}
	size := 4
	if m.flow.packet.v6() {
		size = 16
	}
	if e.has(unix.NFTA_NAT_REG_ADDR_MIN) {
		t.addr, _ = netip.AddrFromSlice(m.get(e.number(unix.NFTA_NAT_REG_ADDR_MIN), size).guess())
		if t.addr.IsUnspecified() {
			t.addr = netip.Addr{}
		}
	}
	t.port = m.port(e, unix.NFTA_NAT_REG_PROTO_MIN)
	return m.translate(t)
}

func (m *machine) masquerade() answer { return m.translate(&translation{source: true}) }

func (m *machine) redirect(e expression) answer {
	return m.translate(&translation{local: true, port: m.port(e, unix.NFTA_REDIR_REG_PROTO_MIN)})
}

func (m *machine) translate(t *translation) answer {
	m.step.translates = t
	return m.end(passes)
}

func (m *machine) port(e expression, typ uint16) uint16 {
	if data := m.get(e.number(typ), 2).guess(); len(data) == 2 && e.has(typ) {
		return binary.BigEndian.Uint16(data)
	}
	return 0
}

// xtMatch is a match of iptables': those that every packet passes are known, the
// others only through the command that wrote them.
func (m *machine) xtMatch(e expression) answer {
	switch string(e.word(unix.NFTA_MATCH_NAME)) {
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
		return m.end(drops)
	case "REJECT":
		return m.end(rejects)
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
			return m.end(queues)
		}
	}
	return surely
}
