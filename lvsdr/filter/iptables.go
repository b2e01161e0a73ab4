package filter

import (
	"net/netip"
	"slices"
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
		for _, l := range lines {
			r := &iptablesRule{line: l}
			r.tests, r.target, r.options = parseRule(l.Words)
			r.leap = slices.Contains(l.Words, "-g")
			r.to = chains[r.target]
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

// An iptablesRule is a rule in iptables' words.
type iptablesRule struct {
	line    Line
	tests   []test
	target  string
	options []test // the target's
	to      *chain // the target when it is one
	leap    bool   // -g
}

func (r *iptablesRule) about() Rule { return Rule{Text: r.line.Text} }

func (r *iptablesRule) listed() ChainRule {
	return ChainRule{Comment: r.line.After("--comment"), Line: r.line}
}

func (r *iptablesRule) targets() []*chain {
	if r.to == nil {
		return nil
	}
	return []*chain{r.to}
}

func (r *iptablesRule) tracks() bool {
	return slices.ContainsFunc(r.tests, func(t test) bool {
		return t.module == "conntrack" || t.module == "state" || t.module == "connmark" || t.module == "connlimit"
	})
}

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
	kinds := map[string]endKind{"ACCEPT": passes, "DROP": drops, "REJECT": rejects, "RETURN": returns}
	kind, ends := kinds[r.target]
	switch {
	case ends:
		s.ends = []end{{kind: kind}}
	case r.target == "NOTRACK" || r.target == "CT" && r.option("--notrack") != nil:
		f.notrack(s.match)
	case r.target == "MARK":
		r.mark(f, s.match)
	case r.target == "DNAT", r.target == "REDIRECT", r.target == "SNAT", r.target == "MASQUERADE", r.target == "NETMAP":
		s.translates = r.translation()
		s.ends = []end{{kind: passes}}
	case !Passing(r.target):
		s.ends = []end{{kind: queues}}
	}
}

// option returns the words after an option of the target's, nil when it is not there.
func (r *iptablesRule) option(name string) []string {
	for _, o := range r.options {
		if o.option == name {
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
	t := &translation{source: r.target == "SNAT" || r.target == "MASQUERADE", local: r.target == "REDIRECT"}
	to := append(r.option("--to-destination"), r.option("--to-ports")...)
	if len(to) == 0 {
		return t
	}
	text, _, _ := strings.Cut(to[0], "/") // --to-destination addr:base-port/offset
	if t.local {
		text = ":" + text
	}
	addr, port, found := cutPort(text)
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
