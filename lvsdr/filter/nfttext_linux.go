package filter

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A writer renders a rule in nft's words, as far as they are common.
type writer struct {
	rule     *nftRule
	words    []string
	next     []expression
	labels   map[int]label // what the registers hold, by their first byte
	protocol uint8         // that the rule has asked for
	v6       bool
}

// A label names what is in a register.
type label struct {
	text      string
	kind      kind
	mask, xor []byte // when it was masked
}

// kind is how a value is written.
type kind uint8

const (
	asHex kind = iota
	asAddr
	asPort
	asProtocol
	asFamily
	asName
	asState
	asNumber
	asFlags
	asRouteType
	asPacketType
	asPresence
	asEtherType
)

func (r *nftRule) render() string {
	w := &writer{rule: r, labels: map[int]label{}, v6: r.table.family == unix.NFPROTO_IPV6}
	for e, rest, ok := r.expressions().cut(); ok; e, rest, ok = rest.cut() {
		w.next = append(w.next, e)
	}
	for len(w.next) > 0 {
		e := w.next[0]
		w.next = w.next[1:]
		w.expression(e)
	}
	if c := r.comment(); c != "" {
		w.words = append(w.words, "comment "+strconv.Quote(c))
	}
	return strings.Join(w.words, " ")
}

func (w *writer) say(format string, args ...any) {
	w.words = append(w.words, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (w *writer) expression(e expression) {
	switch string(e.name) {
	case "payload", "meta", "ct", "fib", "exthdr":
		w.load(e)
	case "bitwise":
		l := w.labels[register(e.number(unix.NFTA_BITWISE_SREG))]
		l.mask, l.xor = e.data(unix.NFTA_BITWISE_MASK), e.data(unix.NFTA_BITWISE_XOR)
		w.labels[register(e.number(unix.NFTA_BITWISE_DREG))] = l
	case "byteorder":
		w.labels[register(e.number(unix.NFTA_BYTEORDER_DREG))] = w.labels[register(e.number(unix.NFTA_BYTEORDER_SREG))]
	case "cmp":
		w.compare(e)
	case "range":
		l := w.labels[register(e.number(unix.NFTA_RANGE_SREG))]
		w.say("%s%s %s-%s", l.text, w.not(e.number(unix.NFTA_RANGE_OP) == unix.NFT_RANGE_NEQ),
			w.value(l, e.data(unix.NFTA_RANGE_FROM_DATA)), w.value(l, e.data(unix.NFTA_RANGE_TO_DATA)))
	case "lookup":
		w.lookup(e)
	default:
		w.act(e)
	}
}

func (w *writer) not(inverted bool) string {
	if inverted {
		return " !="
	}
	return ""
}

// act renders what does something.
func (w *writer) act(e expression) {
	switch string(e.name) {
	case "immediate":
		if v := e.nested(unix.NFTA_IMMEDIATE_DATA).nested(unix.NFTA_DATA_VERDICT); v != nil {
			w.say("%s", verdict{int32(v.number(unix.NFTA_VERDICT_CODE)), v.text(unix.NFTA_VERDICT_CHAIN)})
		} else {
			l := label{kind: asHex}
			l.text = w.value(l, e.data(unix.NFTA_IMMEDIATE_DATA))
			w.labels[register(e.number(unix.NFTA_IMMEDIATE_DREG))] = l
		}
	case "match":
		w.say("xt match %q", e.text(unix.NFTA_MATCH_NAME))
	case "target":
		w.say("xt target %q", e.text(unix.NFTA_TARGET_NAME))
	case "masq":
		w.say("masquerade")
	case "redir":
		w.say("redirect")
	case "nat":
		w.say("%s", map[bool]string{true: "snat", false: "dnat"}[e.number(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_SNAT])
	case "objref":
		w.object(e)
	case "log":
		if prefix := e.text(unix.NFTA_LOG_PREFIX); prefix != "" {
			w.say("log prefix %q", prefix)
		} else {
			w.say("log")
		}
	case "limit":
		over := map[bool]string{true: " over"}[e.number(unix.NFTA_LIMIT_FLAGS)&1 != 0]
		w.say("limit rate%s", over)
	case "dynset":
		w.say("update @%s", e.text(unix.NFTA_DYNSET_SET_NAME))
	default:
		w.say("%s", e.name)
	}
}

// object renders the reference to one that has a name.
func (w *writer) object(e expression) {
	kind := map[uint32]string{1: "counter", 2: "quota", 3: "ct helper set", 4: "limit", 5: "ct count", 7: "ct timeout set", 8: "synproxy"}[e.number(objrefType)]
	switch {
	case kind == "":
		w.say("objref")
	case strings.HasPrefix(kind, "ct "):
		w.say("%s %q", kind, e.text(objrefName))
	default:
		w.say("%s name %q", kind, e.text(objrefName))
	}
}

func (v verdict) String() string {
	switch v.code {
	case unix.NFT_JUMP:
		return "jump " + v.chain
	case unix.NFT_GOTO:
		return "goto " + v.chain
	case unix.NFT_RETURN:
		return "return"
	case unix.NFT_CONTINUE:
		return "continue"
	}
	switch v.code & 0xff {
	case nfDrop:
		return "drop"
	case nfAccept:
		return "accept"
	}
	return "queue"
}

var operators = map[uint32]string{
	unix.NFT_CMP_NEQ: " !=", unix.NFT_CMP_LT: " <", unix.NFT_CMP_LTE: " <=", unix.NFT_CMP_GT: " >", unix.NFT_CMP_GTE: " >=",
}

func (w *writer) compare(e expression) {
	l, data, op := w.labels[register(e.number(unix.NFTA_CMP_SREG))], e.data(unix.NFTA_CMP_DATA), e.number(unix.NFTA_CMP_OP)
	if op == unix.NFT_CMP_EQ && w.depends(l, data) {
		return
	}
	if op == unix.NFT_CMP_GTE && len(w.next) > 0 && w.next[0].is("cmp") && w.next[0].number(unix.NFTA_CMP_OP) == unix.NFT_CMP_LTE {
		w.say("%s %s-%s", l.text, w.value(l, data), w.value(l, w.next[0].data(unix.NFTA_CMP_DATA)))
		w.next = w.next[1:]
		return
	}
	if op == unix.NFT_CMP_NEQ && l.mask != nil && strings.Trim(string(data), "\x00") == "" {
		l.mask, data, op = nil, l.mask, unix.NFT_CMP_EQ // "& mask != 0": one of these
	}
	w.say("%s%s %s", l.text, operators[op], w.value(l, data))
}

// depends notes the protocol that a rule asks for, and tells whether nft leaves
// that out because the field that is asked for next says it too.
func (w *writer) depends(l label, data []byte) bool {
	if len(data) != 1 && l.kind != asEtherType {
		return false
	}
	loads := func(bases ...uint32) bool {
		return slices.ContainsFunc(w.next, func(e expression) bool {
			return e.is("payload") && slices.Contains(bases, e.number(unix.NFTA_PAYLOAD_BASE))
		})
	}
	switch l.kind {
	case asFamily:
		w.v6 = data[0] == unix.NFPROTO_IPV6
		return loads(unix.NFT_PAYLOAD_NETWORK_HEADER, unix.NFT_PAYLOAD_TRANSPORT_HEADER)
	case asEtherType:
		w.v6 = etherTypes[string(data)] == "ip6"
		return loads(unix.NFT_PAYLOAD_NETWORK_HEADER)
	case asProtocol:
		w.protocol = data[0]
		return loads(unix.NFT_PAYLOAD_TRANSPORT_HEADER)
	}
	return false
}

// lookup renders "ip saddr . tcp dport { … }", "iifname vmap { … }", "ip saddr @bad".
func (w *writer) lookup(e expression) {
	set := w.rule.table.sets[e.text(unix.NFTA_LOOKUP_SET)]
	at := register(e.number(unix.NFTA_LOOKUP_SREG))
	if set == nil {
		w.say("lookup")
		return
	}
	var labels []label
	var texts []string
	for i := at; i < at+set.keyLen; i += 4 {
		if l, ok := w.labels[i]; ok {
			labels, texts = append(labels, l), append(texts, l.text)
		}
	}
	text := strings.Join(texts, " . ") + w.not(e.number(unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0)
	if e.has(unix.NFTA_LOOKUP_DREG) {
		text += map[bool]string{true: " vmap", false: " map"}[e.number(unix.NFTA_LOOKUP_DREG) == unix.NFT_REG_VERDICT]
	}
	if !set.anonymous {
		w.say("%s @%s", text, set.name)
		return
	}
	w.say("%s { %s }", text, w.elements(set, labels))
}

// shownElements is how many of a set's elements are written.
const shownElements = 6

func (w *writer) elements(set *nftSet, labels []label) string {
	var texts []string
	for _, e := range set.elements[:min(len(set.elements), shownElements)] {
		text := w.key(labels, e.key, e.end)
		if e.verdict != nil {
			text += " : " + e.verdict.String()
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	if len(set.elements) > shownElements {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}

// key writes a key, or a range of keys, field by field.
func (w *writer) key(labels []label, key, end []byte) string {
	if len(labels) < 2 {
		return w.span(slices.Concat(labels, []label{{}})[0], key, end)
	}
	var texts []string
	for _, l := range labels {
		n, whole := w.width(l)
		n, whole = min(n, len(key)), min(whole, len(key))
		if end != nil && len(end) == len(key) {
			texts = append(texts, w.span(l, key[:n], end[:n]))
			end = end[whole:]
		} else {
			texts = append(texts, w.value(l, key[:n]))
		}
		key = key[whole:]
	}
	return strings.Join(texts, " . ")
}

// width is how many bytes a field of a concatenation has, and how many it fills.
func (w *writer) width(l label) (n, whole int) {
	switch {
	case l.kind == asAddr && w.v6, l.kind == asName:
		return 16, 16
	case l.kind == asPort:
		return 2, 4
	case l.kind == asProtocol, l.kind == asFamily:
		return 1, 4
	}
	return 4, 4
}

// span writes a range, or the beginning of names.
func (w *writer) span(l label, from, to []byte) string {
	switch {
	case to == nil || string(from) == string(to):
		return w.value(l, from)
	case l.kind == asName:
		return w.value(l, bytes.TrimRight(from, "\x00"))
	}
	return w.value(l, from) + "-" + w.value(l, to)
}

// value writes data as what the label's kind makes of it.
func (w *writer) value(l label, data []byte) string {
	number := func() string { return strconv.FormatUint(uint64(hostNumber(data)), 10) }
	switch l.kind {
	case asAddr:
		return w.address(l, data)
	case asPort:
		if len(data) == 2 {
			return strconv.Itoa(int(data[0])<<8 | int(data[1]))
		}
	case asName:
		text := strings.TrimRight(string(data), "\x00")
		if len(data) < unix.IFNAMSIZ {
			text += "*"
		}
		return strconv.Quote(text)
	case asState:
		return bitNames(hostNumber(data), map[uint32]string{1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"})
	case asFlags:
		text := bitNames(hostNumber(data), flagNames)
		if l.mask != nil {
			text = "& (" + strings.ReplaceAll(bitNames(hostNumber(l.mask), flagNames), ",", "|") + ") == " + text
		}
		return text
	case asRouteType:
		if n := int(hostNumber(data)); n < len(kindNames) {
			return strings.ToLower(kindNames[n])
		}
	case asPacketType:
		if n := int(hostNumber(data)); n < 3 {
			return []string{"host", "broadcast", "multicast"}[n]
		}
	case asProtocol:
		if len(data) == 1 {
			return protocolName(data[0])
		}
	case asFamily:
		return map[bool]string{true: "ipv6", false: "ipv4"}[hostNumber(data) == unix.NFPROTO_IPV6]
	case asNumber:
		return number()
	case asEtherType:
		if name, ok := etherTypes[string(data)]; ok {
			return name
		}
	case asPresence:
		return map[bool]string{true: "exists", false: "missing"}[number() != "0"]
	}
	return fmt.Sprintf("0x%x", data)
}

var etherTypes = map[string]string{"\x08\x00": "ip", "\x86\xdd": "ip6", "\x08\x06": "arp"}

var flagNames = map[uint32]string{1: "fin", 2: "syn", 4: "rst", 8: "psh", 16: "ack", 32: "urg"}

// bitNames names the bits that are set.
func bitNames(n uint32, names map[uint32]string) string {
	var set []string
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if n&bit != 0 {
			set = append(set, names[bit])
		}
	}
	return strings.Join(set, ",")
}

// hostNumber reads a number of one to four bytes in the host's order.
func hostNumber(data []byte) uint32 {
	var n uint32
	for i := range min(len(data), 4) {
		shift := 8 * i
		if bigEndian {
			shift = 8 * (min(len(data), 4) - 1 - i)
		}
		n |= uint32(data[i]) << shift
	}
	return n
}

// address writes an address, or the prefix that its first bytes or its mask make.
func (w *writer) address(l label, data []byte) string {
	size := 4
	if w.v6 {
		size = 16
	}
	bits := 8 * len(data)
	if l.mask != nil {
		bits = 0
		for _, b := range l.mask {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
	}
	a, ok := netip.AddrFromSlice(append(slices.Clone(data), make([]byte, max(size-len(data), 0))...))
	if !ok {
		return fmt.Sprintf("0x%x", data)
	}
	if bits < a.BitLen() {
		return netip.PrefixFrom(a, bits).String()
	}
	return a.String()
}
