package filter

import (
	"cmp"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// An nftRule is a rule of nftables.
type nftRule struct {
	table       tableKey
	chain       string
	handle      uint64
	comment     string
	expressions []expression
	state       *nftState
	goals       map[string]*chain // the chains of its table
}

func (r *nftRule) about() Rule { return Rule{Handle: r.handle, Text: r.render()} }

func (r *nftRule) listed() ChainRule {
	l := ChainRule{Handle: r.handle, Comment: r.comment}
	for _, e := range r.expressions {
		set := r.state.sets[setKey{r.table, e.text(unix.NFTA_LOOKUP_SET)}]
		if e.name != "lookup" || set == nil {
			continue
		}
		for _, e := range set.elements {
			l.Keys = append(l.Keys, e.key)
		}
	}
	return l
}

func (r *nftRule) tracks() bool {
	return slices.ContainsFunc(r.expressions, func(e expression) bool {
		switch e.name {
		case "ct", "connlimit", "nat", "masq", "redir":
			return true
		case "match":
			n := e.text(unix.NFTA_MATCH_NAME)
			return n == "conntrack" || n == "state"
		}
		return false
	})
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
	regs [64]cell
	step step
}

func (r *nftRule) run(f *flow) step {
	m := &machine{flow: f, rule: r, step: step{match: surely}}
	for _, e := range r.expressions {
		op := operations[e.name]
		if op == nil {
			op = (*machine).unknown
		}
		m.step.match = m.step.match.and(op(m, e))
		if m.step.match.truth == no || len(m.step.ends) > 0 {
			break
		}
	}
	return m.step
}

// operations are the expressions known. An answer tells whether the rule goes on.
var operations = map[string]func(*machine, expression) answer{
	"payload":   (*machine).payload,
	"meta":      (*machine).meta,
	"ct":        (*machine).ct,
	"fib":       (*machine).fib,
	"exthdr":    (*machine).extension,
	"immediate": (*machine).immediate,
	"cmp":       (*machine).compare,
	"range":     (*machine).inRange,
	"bitwise":   (*machine).bitwise,
	"byteorder": (*machine).byteorder,
	"lookup":    (*machine).lookup,
	"dynset":    (*machine).dynset,
	"limit":     (*machine).limit,
	"connlimit": (*machine).limit,
	"quota":     (*machine).limit,
	"objref":    (*machine).object,
	"notrack":   func(m *machine, _ expression) answer { m.flow.notrack(m.step.match); return surely },
	"reject":    func(m *machine, _ expression) answer { return m.end(end{kind: rejects}) },
	"queue":     func(m *machine, _ expression) answer { return m.end(end{kind: queues}) },
	"synproxy":  func(m *machine, _ expression) answer { return m.end(end{kind: queues}) },
	"nat":       (*machine).nat,
	"masq":      (*machine).masquerade,
	"redir":     (*machine).redirect,
	"match":     (*machine).xtMatch,
	"target":    (*machine).xtTarget,
	"counter":   (*machine).nothing,
	"last":      (*machine).nothing,
	"log":       (*machine).nothing,
	"dup":       (*machine).nothing,
}

func (m *machine) nothing(expression) answer { return surely }

// unknown may have loaded anything anywhere.
func (m *machine) unknown(expression) answer {
	copy(m.regs[:], blank(len(m.regs), aboutOther))
	return unknown
}

func (m *machine) end(e ...end) answer {
	m.step.ends = e
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

// set loads a register, filled up with zeros to four bytes.
func (m *machine) set(n uint32, b bits) answer {
	padded := append(slices.Clone(b), known(make([]byte, (4-len(b)%4)%4)...)...)
	copy(m.get(n, len(padded)), padded)
	return surely
}

func host32(n uint32) bits { return known(binary.NativeEndian.AppendUint32(nil, n)...) }

func (m *machine) payload(e expression) answer {
	if e.has(unix.NFTA_PAYLOAD_SREG) {
		if m.flow.packet.arp != nil && e.number(unix.NFTA_PAYLOAD_OFFSET) == arpSender {
			return m.end(end{kind: drops}) // with another sender; what it was does not go out
		}
		return surely // it writes: TTL, DSCP, never what is asked here
	}
	var header bits
	switch e.number(unix.NFTA_PAYLOAD_BASE) {
	case unix.NFT_PAYLOAD_LL_HEADER:
		header = m.flow.packet.link()
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		header = m.flow.packet.network()
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		header = m.flow.packet.transport()
	}
	from, n := int(e.number(unix.NFTA_PAYLOAD_OFFSET)), int(e.number(unix.NFTA_PAYLOAD_LEN))
	if from < 0 || n < 0 || n > len(m.regs) || from > 1<<16 {
		return unknown
	}
	loaded := blank(n, aboutOther)
	if from < len(header) {
		copy(loaded, header[from:])
	}
	return m.set(e.number(unix.NFTA_PAYLOAD_DREG), loaded)
}

func (m *machine) compare(e expression) answer {
	data := e.data(unix.NFTA_CMP_DATA)
	b := m.get(e.number(unix.NFTA_CMP_SREG), len(data))
	if len(b) < len(data) {
		return unknown
	}
	least, most := make([]byte, len(data)), slices.Repeat([]byte{0xff}, len(data))
	switch e.number(unix.NFTA_CMP_OP) {
	case unix.NFT_CMP_EQ:
		return b.equal(data)
	case unix.NFT_CMP_NEQ:
		return b.equal(data).not()
	case unix.NFT_CMP_LT:
		return b.within(data, most).not()
	case unix.NFT_CMP_LTE:
		return b.within(least, data)
	case unix.NFT_CMP_GT:
		return b.within(least, data).not()
	case unix.NFT_CMP_GTE:
		return b.within(data, most)
	}
	return unknown
}

func (m *machine) inRange(e expression) answer {
	from, to := e.data(unix.NFTA_RANGE_FROM_DATA), e.data(unix.NFTA_RANGE_TO_DATA)
	b := m.get(e.number(unix.NFTA_RANGE_SREG), len(from))
	return b.within(from, to).inverted(e.number(unix.NFTA_RANGE_OP) == unix.NFT_RANGE_NEQ)
}

func (m *machine) bitwise(e expression) answer {
	b := m.get(e.number(unix.NFTA_BITWISE_SREG), int(e.number(unix.NFTA_BITWISE_LEN)))
	result := b.masked(e.data(unix.NFTA_BITWISE_MASK), e.data(unix.NFTA_BITWISE_XOR))
	if e.number(bitwiseOperation) != 0 { // a shift, or of two registers
		result = blank(len(b), b.doubts()|aboutOther)
	}
	return m.set(e.number(unix.NFTA_BITWISE_DREG), result)
}

// bigEndian is the host's byte order.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// byteorder turns between the host's order and the network's, which is the same
// swap both ways.
func (m *machine) byteorder(e expression) answer {
	b := slices.Clone(m.get(e.number(unix.NFTA_BYTEORDER_SREG), int(e.number(unix.NFTA_BYTEORDER_LEN))))
	if size := int(e.number(unix.NFTA_BYTEORDER_SIZE)); size > 1 && !bigEndian {
		for i := 0; i+size <= len(b); i += size {
			slices.Reverse(b[i : i+size])
		}
	}
	return m.set(e.number(unix.NFTA_BYTEORDER_DREG), b)
}

func (m *machine) immediate(e expression) answer {
	v := e.nested(unix.NFTA_IMMEDIATE_DATA).nested(unix.NFTA_DATA_VERDICT)
	if v == nil {
		return m.set(e.number(unix.NFTA_IMMEDIATE_DREG), known(e.data(unix.NFTA_IMMEDIATE_DATA)...))
	}
	return m.decide(verdict{int32(v.number(unix.NFTA_VERDICT_CODE)), v.text(unix.NFTA_VERDICT_CHAIN)})
}

// decide adds a verdict to the rule's ends.
func (m *machine) decide(v verdict) answer {
	e := end{to: m.rule.goals[v.chain]}
	switch v.code {
	case unix.NFT_JUMP:
		e.kind = jumps
	case unix.NFT_GOTO:
		e.kind = leaps
	case unix.NFT_RETURN:
		e.kind = returns
	case unix.NFT_BREAK:
		return never
	case unix.NFT_CONTINUE:
		return surely
	default:
		kind, ok := map[int32]endKind{nfDrop: drops, nfAccept: passes}[v.code&0xff]
		if e.kind = kind; !ok {
			e.kind = queues
		}
	}
	if (e.kind == jumps || e.kind == leaps) && e.to == nil {
		e.kind = queues // a view that is torn
	}
	m.step.ends = append(m.step.ends, e)
	return surely
}

func (m *machine) lookup(e expression) answer {
	set := m.rule.state.sets[setKey{m.rule.table, e.text(unix.NFTA_LOOKUP_SET)}]
	if set == nil {
		return m.unknown(e)
	}
	key := m.get(e.number(unix.NFTA_LOOKUP_SREG), set.keyLen)
	a, found := set.find(key)
	if m.flow.packet.any && !set.anonymous { // other elements may come and go
		a = answer{maybe, cmp.Or(key.doubts(), aboutOther)}
	}
	if e.number(unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0 {
		return a.not()
	}
	if a.truth == no || !e.has(unix.NFTA_LOOKUP_DREG) {
		return a
	}
	if to := e.number(unix.NFTA_LOOKUP_DREG); to != unix.NFT_REG_VERDICT {
		var value bits
		switch {
		case a.truth == yes:
			value = known(found[0].value...)
		case len(found) > 0:
			value = blank(len(found[0].value), a.doubt)
		default:
			value = blank(16, a.doubt)
		}
		m.set(to, value)
		return a
	}
	for _, f := range found {
		if f.verdict != nil {
			m.decide(*f.verdict)
		}
	}
	return a
}

// dynset adds to a set, and passes unless a rate within it is exceeded.
func (m *machine) dynset(e expression) answer {
	inner := parseExpressions(e.get(dynsetExpressions))
	if one := e.nested(unix.NFTA_DYNSET_EXPR); one != nil {
		inner = append(inner, expression{one.text(unix.NFTA_EXPR_NAME), one.nested(unix.NFTA_EXPR_DATA)})
	}
	a := surely
	for _, i := range inner {
		if i.name == "limit" || i.name == "connlimit" || i.name == "quota" {
			a = a.and(m.limit(i))
		}
	}
	return a
}

// limit: one packet is under every limit, and not over any.
func (m *machine) limit(e expression) answer {
	flags := map[string]uint16{"limit": unix.NFTA_LIMIT_FLAGS, "connlimit": 2, "quota": unix.NFTA_QUOTA_FLAGS}[e.name]
	if e.number(flags)&1 != 0 {
		return never
	}
	return m.flow.underRate()
}

// object is a reference to a named counter and the like; rates of that kind are
// not looked up.
func (m *machine) object(e expression) answer {
	const quota, limit, connlimit = 2, 4, 5
	switch e.number(objrefType) {
	case quota, limit, connlimit:
		return unknown
	}
	return surely
}
