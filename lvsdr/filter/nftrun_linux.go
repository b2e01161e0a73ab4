package filter

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// An nftRule is a rule of nftables: of its attributes those that are asked for.
type nftRule struct {
	attributes
	table *nftTable
}

func (r *nftRule) handle() uint64 {
	if h := r.get(unix.NFTA_RULE_HANDLE); len(h) == 8 {
		return binary.BigEndian.Uint64(h)
	}
	return 0
}

func (r *nftRule) comment() string { return comment(r.get(unix.NFTA_RULE_USERDATA)) }

func (r *nftRule) expressions() expressions { return r.get(unix.NFTA_RULE_EXPRESSIONS) }

func (r *nftRule) about() Rule { return Rule{Handle: r.handle(), Text: r.render()} }

func (r *nftRule) line() Line { return "" }

func (r *nftRule) target() string { return "" }

func (r *nftRule) keys() (all [][]byte) {
	for e, rest, ok := r.expressions().cut(); ok; e, rest, ok = rest.cut() {
		if set := r.table.sets[string(e.word(unix.NFTA_LOOKUP_SET))]; e.is("lookup") && set != nil {
			for _, e := range set.elements {
				all = append(all, e.key)
			}
		}
	}
	return all
}

// refers tells whether the rule names an object.
func (r *nftRule) refers() bool {
	for e, rest, ok := r.expressions().cut(); ok; e, rest, ok = rest.cut() {
		if e.is("objref") {
			return true
		}
	}
	return false
}

func (r *nftRule) tracks() bool {
	for e, rest, ok := r.expressions().cut(); ok; e, rest, ok = rest.cut() {
		switch string(e.name) {
		case "ct", "connlimit", "nat", "masq", "redir":
			return true
		case "match":
			switch string(e.word(unix.NFTA_MATCH_NAME)) {
			case "conntrack", "state":
				return true
			}
		}
	}
	return false
}

// Verdicts (include/uapi/linux/netfilter.h); the upper bits are an errno or a queue.
const (
	nfDrop   = 0
	nfAccept = 1
)

// A verdict is what an expression leaves in the verdict register.
type verdict struct {
	code  int32
	chain string
}

// A machine runs a rule's expressions over its registers.
type machine struct {
	flow *flow
	rule *nftRule
	regs [maxKey]cell
	step step
	one  oneOf
}

// oneOf tells of a register that holds a number that the kernel makes for itself
// (numgen, jhash): one of so many, and any of them.
type oneOf struct {
	register    int
	first, many uint32
	bigEndian   bool
}

// maxKey is how many bytes all registers have together, and a set's key at the most.
const maxKey = 64

func (r *nftRule) run(f *flow) step {
	m := machine{flow: f, rule: r, step: step{match: surely}}
	for e, rest, ok := r.expressions().cut(); ok; e, rest, ok = rest.cut() {
		one := m.one
		m.step.match = m.step.match.and(m.do(e))
		if m.one == one && !e.is("counter") {
			m.one = oneOf{} // only what comes next is sure to find it still there
		}
		if m.step.match.truth == no || len(m.step.ends) > 0 {
			break
		}
	}
	return m.step
}

// do is an expression's work. The answer tells whether the rule goes on.
func (m *machine) do(e expression) answer {
	switch string(e.name) {
	case "payload":
		return m.payload(e)
	case "meta":
		return m.meta(e)
	case "ct":
		return m.ct(e)
	case "fib":
		return m.fib(e)
	case "exthdr":
		return m.extension(e)
	case "immediate":
		return m.immediate(e)
	case "cmp":
		return m.compare(e)
	case "range":
		return m.inRange(e)
	case "bitwise":
		return m.bitwise(e)
	case "byteorder":
		return m.byteorder(e)
	case "lookup":
		return m.lookup(e)
	}
	return m.act(e)
}

// act is the work of an expression that compares nothing.
func (m *machine) act(e expression) answer {
	switch string(e.name) {
	case "dynset":
		return m.dynset(e)
	case "limit", "connlimit", "quota":
		return m.limit(e)
	case "objref":
		return m.object(e)
	case "notrack":
		m.flow.notrack(m.step.match)
		return surely
	case "reject":
		return m.end(rejects)
	case "queue", "synproxy":
		return m.end(queues)
	case "numgen":
		return m.number(e.number(1), e.number(numgenOffset), e.number(numgenModulus))
	case "hash":
		return m.number(e.number(hashRegister), e.number(hashOffset), e.number(hashModulus))
	case "fwd": // out of another device
		return m.end(drops)
	case "nat":
		return m.nat(e)
	case "masq":
		return m.masquerade()
	case "redir":
		return m.redirect(e)
	case "match":
		return m.xtMatch(e)
	case "target":
		return m.xtTarget(e)
	case "counter", "last", "log", "dup", "flow_offload":
		return surely
	case "socket":
		return m.blank(e.number(socketRegister), 16, aboutOther).and(unknown)
	case "osf":
		if p := m.flow.packet; p.Protocol != tcp || !p.any && p.TCPFlags&SYN == 0 {
			return never
		}
		return m.blank(e.number(1), 16, aboutOther)
	case "rt":
		return m.blank(e.number(1), 16, aboutOther)
	case "xfrm":
		return never // no packet of IPsec's
	}
	return m.unknown()
}

// number loads one that the kernel makes.
func (m *machine) number(to, first, many uint32) answer {
	m.one = oneOf{register(to), first, many, bigEndian}
	return m.blank(to, 4, aboutOther)
}

// unknown may have loaded anything anywhere.
func (m *machine) unknown() answer {
	bits(m.regs[:]).fill(cell{doubt: aboutOther})
	return unknown
}

func (m *machine) end(kind endKind) answer {
	m.step.ends = endOf(kind)
	return surely
}

// register is where a register begins: 1 to 4 have 16 bytes, 8 to 23 four.
func register(n uint32) int {
	if n < 8 {
		return int(max(n, 1)-1) * 16
	}
	return int(n-8) * 4
}

// get is what a register holds, with those after it.
func (m *machine) get(n uint32, length int) bits {
	at := min(register(n), len(m.regs))
	return m.regs[at:min(at+length, len(m.regs))]
}

// room is what n bytes are loaded into: a register filled up with zeros to four bytes.
func (m *machine) room(register uint32, n int) bits {
	all := m.get(register, (n+3)&^3)
	for i := n; i < len(all); i++ {
		all[i] = cell{known: 0xff}
	}
	return all[:min(n, len(all))]
}

// set loads a register.
func (m *machine) set(register uint32, b bits) answer {
	copy(m.room(register, len(b)), b)
	return surely
}

// load loads a register with bytes that are known.
func (m *machine) load(register uint32, data ...byte) answer {
	to := m.room(register, len(data))
	for i := range to {
		to[i] = cell{value: data[i], known: 0xff}
	}
	return surely
}

// load32 loads a register with a number in the host's order.
func (m *machine) load32(register, n uint32) answer {
	var data [4]byte
	binary.NativeEndian.PutUint32(data[:], n)
	return m.load(register, data[:]...)
}

// blank loads a register with bytes of which nothing is known.
func (m *machine) blank(register uint32, n int, d doubt) answer {
	m.room(register, n).fill(cell{doubt: d})
	return surely
}

func (m *machine) payload(e expression) answer {
	if e.has(unix.NFTA_PAYLOAD_SREG) {
		if m.flow.packet.arp != nil && e.number(unix.NFTA_PAYLOAD_OFFSET) == arpSender {
			return m.end(drops) // with another sender; what it was does not go out
		}
		return m.write(e)
	}
	var header bits
	switch e.number(unix.NFTA_PAYLOAD_BASE) {
	case unix.NFT_PAYLOAD_LL_HEADER:
		header = m.flow.packet.link()
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		header = m.flow.network()
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		header = m.flow.transport()
	}
	from, n := int(e.number(unix.NFTA_PAYLOAD_OFFSET)), int(e.number(unix.NFTA_PAYLOAD_LEN))
	if from < 0 || n < 0 || n > len(m.regs) || from > 1<<16 {
		return unknown
	}
	loaded := m.room(e.number(unix.NFTA_PAYLOAD_DREG), n)
	loaded[copy(loaded, header[min(from, len(header)):]):].fill(cell{doubt: aboutOther})
	return surely
}

// write puts a register into a header. Addresses and ports are another destination, or
// source, from here on, of which connection tracking knows nothing.
func (m *machine) write(e expression) answer {
	p := &m.flow.packet
	from, n := int(e.number(unix.NFTA_PAYLOAD_OFFSET)), int(e.number(unix.NFTA_PAYLOAD_LEN))
	transport := e.number(unix.NFTA_PAYLOAD_BASE) == unix.NFT_PAYLOAD_TRANSPORT_HEADER
	if !transport && e.number(unix.NFTA_PAYLOAD_BASE) != unix.NFT_PAYLOAD_NETWORK_HEADER || p.arp != nil || n > maxKey {
		return surely
	}
	data := slices.Clone(m.get(e.number(unix.NFTA_PAYLOAD_SREG), n))
	if m.step.match.truth != yes {
		data.fill(cell{doubt: m.step.match.doubt})
	}
	p.written = append(slices.Clip(p.written), write{transport, from, data})
	m.flow.ip, m.flow.body = nil, nil
	value, ok := data.certain(nil)
	if !ok {
		return surely
	}
	before := netip.AddrPortFrom(p.Dst, p.DstPort)
	switch addr, _ := netip.AddrFromSlice(value); {
	case !transport && p.isSource(from, n):
		p.Src = addr
	case !transport && p.isDestination(from, n):
		p.Dst = addr
	case transport && n == 2 && from == 0 && p.hasPorts():
		p.SrcPort = binary.BigEndian.Uint16(value)
	case transport && n == 2 && from == 2 && p.hasPorts():
		p.DstPort = binary.BigEndian.Uint16(value)
	}
	if before != netip.AddrPortFrom(p.Dst, p.DstPort) {
		p.stateless, p.Translated = p.stateless || !p.Translated, true
		r := m.rule.about()
		m.flow.translated = &r
	}
	return surely
}

func (m *machine) compare(e expression) answer {
	data := e.data(unix.NFTA_CMP_DATA)
	b := m.get(e.number(unix.NFTA_CMP_SREG), len(data))
	if len(b) < len(data) {
		return unknown
	}
	switch e.number(unix.NFTA_CMP_OP) {
	case unix.NFT_CMP_EQ:
		return b.equal(data)
	case unix.NFT_CMP_NEQ:
		return b.equal(data).not()
	case unix.NFT_CMP_LT:
		return b.atLeast(data).not()
	case unix.NFT_CMP_LTE:
		return b.atMost(data)
	case unix.NFT_CMP_GT:
		return b.atMost(data).not()
	case unix.NFT_CMP_GTE:
		return b.atLeast(data)
	}
	return unknown
}

func (m *machine) inRange(e expression) answer {
	from, to := e.data(unix.NFTA_RANGE_FROM_DATA), e.data(unix.NFTA_RANGE_TO_DATA)
	b := m.get(e.number(unix.NFTA_RANGE_SREG), len(from))
	return b.within(from, to).inverted(e.number(unix.NFTA_RANGE_OP) == unix.NFT_RANGE_NEQ)
}

func (m *machine) bitwise(e expression) answer {
	var room [maxKey]cell
	b := m.get(e.number(unix.NFTA_BITWISE_SREG), int(e.number(unix.NFTA_BITWISE_LEN)))
	result := bits(room[:copy(room[:], b)])
	if e.number(bitwiseOperation) != 0 { // a shift, or of two registers
		result.fill(cell{doubt: b.doubts() | aboutOther})
	} else {
		result.mask(e.data(unix.NFTA_BITWISE_MASK), e.data(unix.NFTA_BITWISE_XOR))
	}
	return m.set(e.number(unix.NFTA_BITWISE_DREG), result)
}

// bigEndian is the host's byte order.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// byteorder turns between the host's order and the network's, which is the same
// swap both ways.
func (m *machine) byteorder(e expression) answer {
	var room [maxKey]cell
	b := bits(room[:copy(room[:], m.get(e.number(unix.NFTA_BYTEORDER_SREG), int(e.number(unix.NFTA_BYTEORDER_LEN))))])
	if size := int(e.number(unix.NFTA_BYTEORDER_SIZE)); size > 1 && !bigEndian {
		for i := 0; i+size <= len(b); i += size {
			slices.Reverse(b[i : i+size])
		}
		if one := m.one; one.many > 0 && one.register == register(e.number(unix.NFTA_BYTEORDER_SREG)) && size == 4 {
			m.one = oneOf{register(e.number(unix.NFTA_BYTEORDER_DREG)), one.first, one.many, !one.bigEndian}
		}
	}
	return m.set(e.number(unix.NFTA_BYTEORDER_DREG), b)
}

func (m *machine) immediate(e expression) answer {
	v := e.nested(unix.NFTA_IMMEDIATE_DATA).nested(unix.NFTA_DATA_VERDICT)
	if v == nil {
		return m.load(e.number(unix.NFTA_IMMEDIATE_DREG), e.data(unix.NFTA_IMMEDIATE_DATA)...)
	}
	return m.decide(int32(v.number(unix.NFTA_VERDICT_CODE)), v.word(unix.NFTA_VERDICT_CHAIN))
}

// decide adds a verdict to the rule's ends.
func (m *machine) decide(code int32, chain []byte) answer {
	e := end{}
	switch code {
	case unix.NFT_JUMP, unix.NFT_GOTO:
		if e.kind = jumps; code == unix.NFT_GOTO {
			e.kind = leaps
		}
		if e.to = m.rule.table.chains[string(chain)]; e.to == nil {
			e.kind = queues // a view that is torn
		}
	case unix.NFT_RETURN:
		e.kind = returns
	case unix.NFT_BREAK:
		return never
	case unix.NFT_CONTINUE:
		return surely
	default:
		switch code & 0xff {
		case nfDrop:
			e.kind = drops
		case nfAccept:
			e.kind = passes
		default:
			e.kind = queues
		}
	}
	if e.to == nil && m.step.ends == nil {
		m.step.ends = endOf(e.kind)
	} else {
		m.step.ends = append(m.step.ends, e)
	}
	return surely
}
