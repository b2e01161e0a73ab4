package filter

import (
	"cmp"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// What rules ask of sets, and what depends on packets before: limits, quotas, objects.

func (m *machine) lookup(e expression) answer {
	set := m.rule.table.sets[string(e.word(unix.NFTA_LOOKUP_SET))]
	if set == nil {
		return m.unknown()
	}
	key := m.get(e.number(unix.NFTA_LOOKUP_SREG), set.keyLen)
	a, found := set.find(key)
	if m.one.many > 0 && m.one.register == register(e.number(unix.NFTA_LOOKUP_SREG)) && set.keyLen == 4 {
		a, found = set.findAny(m.one)
	}
	if m.flow.packet.any && !set.anonymous { // other elements may come and go
		a = answer{maybe, cmp.Or(key.doubts(), aboutOther)}
	}
	if e.number(unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0 {
		return a.not()
	}
	if a.truth == no || !e.has(unix.NFTA_LOOKUP_DREG) {
		return a
	}
	to := e.number(unix.NFTA_LOOKUP_DREG)
	switch {
	case to == unix.NFT_REG_VERDICT:
		for _, f := range found {
			if f.verdict != nil {
				m.decide(f.verdict.code, []byte(f.verdict.chain))
			}
		}
	case a.truth == yes && m.one.many == 0:
		m.load(to, found[0].value...)
	case len(found) > 0:
		m.blank(to, len(found[0].value), a.doubt|aboutOther)
		for i, c := range m.get(to, len(found[0].value)) { // one of those that it may be
			c.value = found[0].value[i]
			m.get(to, i+1)[i] = c
		}
	default:
		m.blank(to, 16, a.doubt)
	}
	return a
}

// dynset adds to a set, and passes unless a rate within it is exceeded.
func (m *machine) dynset(e expression) answer {
	a := surely
	for i, rest, ok := expressions(e.get(dynsetExpressions)).cut(); ok; i, rest, ok = rest.cut() {
		a = a.and(m.within(i))
	}
	if one := e.nested(unix.NFTA_DYNSET_EXPR); one != nil {
		a = a.and(m.within(expression{one.word(unix.NFTA_EXPR_NAME), one.nested(unix.NFTA_EXPR_DATA)}))
	}
	return a
}

// within is the answer of a rate, of what is none surely.
func (m *machine) within(e expression) answer {
	if e.is("limit") || e.is("connlimit") || e.is("quota") {
		return m.limit(e)
	}
	return surely
}

// limit: one packet is under every limit, and not over any.
func (m *machine) limit(e expression) answer {
	flags := uint16(2) // of connlimit and quota
	if e.is("limit") {
		flags = unix.NFTA_LIMIT_FLAGS
	}
	over := e.number(flags)&1 != 0
	switch {
	case e.is("quota") && !m.flow.packet.any && usedUp(e.attributes):
		return when(over)
	case over:
		return never
	}
	return m.flow.underRate()
}

// usedUp tells whether a quota has nothing left for a packet: unlike a rate it never
// recovers by itself.
func usedUp(quota attributes) bool {
	all, used := quota.get(quotaBytes), quota.get(quotaConsumed)
	return len(all) == 8 && len(used) == 8 && binary.BigEndian.Uint64(used) >= binary.BigEndian.Uint64(all)
}

// namedLimits are the kinds of objects that limit (include/uapi/linux/netfilter/nf_tables.h).
var namedLimits = map[uint32]string{2: "quota", 4: "limit", 5: "connlimit"}

// object is a reference to a named counter, limit and the like.
func (m *machine) object(e expression) answer {
	const synproxy = 8
	kind := e.number(objrefType)
	if e.has(objrefKey) { // by a map
		set := m.rule.table.sets[e.text(objrefSet)]
		if set == nil {
			return m.unknown()
		}
		a, _ := set.find(m.get(e.number(objrefKey), set.keyLen))
		return a.and(m.ofMap(set))
	}
	switch name := namedLimits[kind]; {
	case name != "":
		if o, ok := m.rule.table.objs[nftObject{kind, e.text(objrefName)}]; ok {
			return m.limit(expression{[]byte(name), o})
		}
		return unknown
	case kind == synproxy:
		return m.end(queues)
	}
	return surely
}

// ofMap is the answer of the objects of a map, whichever it is.
func (m *machine) ofMap(set *nftSet) answer {
	if _, limits := namedLimits[set.objects]; limits {
		return unknown
	}
	return surely
}
