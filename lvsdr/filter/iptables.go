package filter

import (
	"net/netip"
	"strconv"
	"strings"
)

// iptablesHooks are the hooks of the tables' built-in chains with their
// priorities (include/uapi/linux/netfilter_ipv4.h).
var iptablesHooks = map[string]struct {
	priority map[string]int
}{
	"raw":      {map[string]int{"PREROUTING": -300, "OUTPUT": -300}},
	"mangle":   {map[string]int{"PREROUTING": -150, "INPUT": -150, "FORWARD": -150, "OUTPUT": -150, "POSTROUTING": -150}},
	"nat":      {map[string]int{"PREROUTING": -100, "INPUT": 100, "OUTPUT": -100, "POSTROUTING": 100}},
	"filter":   {map[string]int{"INPUT": 0, "FORWARD": 0, "OUTPUT": 0}},
	"security": {map[string]int{"INPUT": 50, "FORWARD": 50, "OUTPUT": 50}},
}

var hookNames = map[string]Hook{
	"PREROUTING": Prerouting, "INPUT": Input, "FORWARD": Forward, "OUTPUT": Output, "POSTROUTING": Postrouting,
}

// ParseIptables reads what the -save of a legacy command has printed. The command
// ("iptables-legacy", "ip6tables") tells the family.
func ParseIptables(command, listing string) *Ruleset {
	rules := &Ruleset{}
	six := strings.HasPrefix(command, "ip6")
	for name, table := range ParseListing(listing) {
		chains := compileTable(command, "legacy", name, table)
		rules.tracks = rules.tracks || tracks(chains)
		for hook, priority := range iptablesHooks[name].priority {
			c := chains[hook]
			if c == nil {
				continue
			}
			rules.base = append(rules.base, &baseChain{
				chain: c, v4: !six, v6: six, hook: hookNames[hook], priority: priority,
				nat: name == "nat", drops: table.Policy[hook] == "DROP",
			})
		}
	}
	return rules.sort()
}

func compileTable(command, variant, name string, table Listing) map[string]*chain {
	family := "ip"
	if strings.HasPrefix(command, "ip6") {
		family = "ip6"
	}
	chains := map[string]*chain{}
	for _, names := range []map[string]bool{keys(table.Chains), keys(table.Policy)} {
		for c := range names {
			chains[c] = &chain{tool: command, variant: variant, family: family, table: name, name: c}
		}
	}
	for c, lines := range table.Chains {
		chains[c].rules = make([]rule, 0, len(lines))
		for _, l := range lines {
			r := parseRule(l)
			r.to = chains[r.goal]
			chains[c].rules = append(chains[c].rules, r)
		}
	}
	return chains
}

func keys[V any](m map[string]V) map[string]bool {
	k := map[string]bool{}
	for name := range m {
		k[name] = true
	}
	return k
}

// tracks tells whether a rule of a table brings connection tracking into use.
func tracks(chains map[string]*chain) bool {
	for _, c := range chains {
		for _, r := range c.rules {
			if r, ok := r.(*iptablesRule); ok && r.tracks {
				return true
			}
		}
	}
	return false
}

// An iptablesRule is a rule in iptables' words.
type iptablesRule struct {
	text    Line
	tests   []test
	goal    string   // its target
	options []option // the target's
	to      *chain   // the target when it is one
	leap    bool     // -g
	tracks  bool     // it brings connection tracking into use
}

func (r *iptablesRule) about() Rule { return Rule{Text: string(r.text)} }

func (r *iptablesRule) handle() uint64 { return 0 }

func (r *iptablesRule) comment() string {
	const comment = "--comment"
	if !strings.Contains(string(r.text), comment) {
		return ""
	}
	return r.text.After(comment)
}

func (r *iptablesRule) keys() [][]byte { return nil }

func (r *iptablesRule) line() Line { return r.text }

func (r *iptablesRule) target() string { return r.goal }

func (r *iptablesRule) run(f *flow) step {
	s := step{match: surely}
	for _, t := range r.tests {
		if s.match = s.match.and(t.holds(f)); s.match.truth == no {
			return s
		}
	}
	if r.to != nil {
		kind := jumps
		if r.leap {
			kind = leaps
		}
		s.ends = []end{{kind, r.to}}
		return s
	}
	r.act(f, &s)
	return s
}

// act does what the rule's target does.
func (r *iptablesRule) act(f *flow, s *step) {
	switch r.goal {
	case "ACCEPT":
		s.ends = endOf(passes)
	case "DROP":
		s.ends = endOf(drops)
	case "REJECT":
		s.ends = endOf(rejects)
	case "RETURN":
		s.ends = endOf(returns)
	case "NOTRACK":
		f.notrack(s.match)
	case "CT":
		if r.option("--notrack") != nil {
			f.notrack(s.match)
		}
	case "MARK":
		r.mark(f, s.match)
	case "CONNMARK":
		r.connectionMark(f, s.match)
	case "DNAT", "REDIRECT", "SNAT", "MASQUERADE", "NETMAP":
		s.translates = r.translation()
		s.ends = endOf(passes)
	default:
		if !Passing(r.goal) {
			s.ends = endOf(queues)
		}
	}
}

// option returns the words after an option of the target's, nil when it is not there.
func (r *iptablesRule) option(name string) []string {
	for _, o := range r.options {
		if o.name == name {
			return append([]string{}, o.words...)
		}
	}
	return nil
}

// mark is "--set-xmark value/mask": zero the mask's bits, then exclusive or.
func (r *iptablesRule) mark(f *flow, a answer) {
	words := r.option("--set-xmark")
	if len(words) == 0 {
		f.mark(a, 0, false)
		return
	}
	value, mask, ok := parseMark(words[0])
	f.mark(a, f.packet.Mark&^mask^value, ok && !f.packet.doubtful.mark)
}

// connectionMark is "--set-xmark value/mask" of the connection's mark, or copies between
// it and the packet's, of each the bits of a mask.
func (r *iptablesRule) connectionMark(f *flow, a answer) {
	a = a.and(tracked(f, surely))
	if a.truth == no {
		return
	}
	known := !f.packet.doubtful.mark
	ct, ok := f.connectionMark()
	switch words := r.option("--set-xmark"); {
	case len(words) > 0:
		value, mask, read := parseMark(words[0])
		f.setConnectionMark(a, ct&^mask^value, read && (ok || mask == 0xffffffff))
	case r.option("--save-mark") != nil:
		f.setConnectionMark(a, ct&^r.bits("--ctmask")^f.packet.Mark&r.bits("--nfmask"), ok && known)
	case r.option("--restore-mark") != nil:
		f.mark(a, f.packet.Mark&^r.bits("--nfmask")^ct&r.bits("--ctmask"), ok && known)
	}
}

// bits is a mask, all of them when the option is not there.
func (r *iptablesRule) bits(option string) uint32 {
	if words := r.option(option); len(words) > 0 {
		if value, _, ok := parseMark(words[0]); ok {
			return value
		}
	}
	return 0xffffffff
}

// parseMark reads "0x1/0xff".
func parseMark(s string) (value, mask uint32, ok bool) {
	v, m, masked := strings.Cut(s, "/")
	value64, err := strconv.ParseUint(v, 0, 32)
	mask64 := uint64(0xffffffff)
	if err == nil && masked {
		mask64, err = strconv.ParseUint(m, 0, 32)
	}
	return uint32(value64), uint32(mask64), err == nil
}

func (r *iptablesRule) translation() *translation {
	t := &translation{source: r.goal == "SNAT" || r.goal == "MASQUERADE", local: r.goal == "REDIRECT"}
	to := append(r.option("--to-destination"), r.option("--to-ports")...)
	if len(to) == 0 {
		return t
	}
	text, _, _ := strings.Cut(to[0], "/") // --to-destination addr:base-port/offset
	if t.local {
		text = ":" + text
	}
	addr, port, found := cutPort(text)
	addr, _, _ = strings.Cut(addr, "-") // any of a range
	t.addr, _ = netip.ParseAddr(strings.Trim(addr, "[]"))
	if found {
		first, _, _ := strings.Cut(port, "-")
		n, _ := strconv.ParseUint(first, 10, 16)
		t.port = uint16(n)
	}
	return t
}

// cutPort cuts a port off "10.0.0.1:80", "[fd00::1]:80"; "fd00::1" has none.
func cutPort(s string) (addr, port string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Count(s, ":") > 1 && !strings.Contains(s, "]:") {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
