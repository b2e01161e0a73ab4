package lvsdr

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// iptablesRules is the table filter as iptables -S prints it.
type iptablesRules struct {
	policy map[string]string         // of the built-in chains
	chains map[string][]iptablesRule // in order
	drops  map[string]bool           // what canDrop has found out
}

// An iptablesRule is one line of iptables -S: the words after "-A CHAIN", and
// the same as it was written.
type iptablesRule struct {
	words []string
	text  string
}

// iptablesPassing are the targets that drop nothing (iptables-extensions(8)).
// Those not known, like NFQUEUE, are taken to.
var iptablesPassing = map[string]bool{
	"": true, "ACCEPT": true, "RETURN": true, "AUDIT": true, "CHECKSUM": true, "CLASSIFY": true, "CONNMARK": true,
	"CONNSECMARK": true, "CT": true, "DSCP": true, "HL": true, "LED": true, "LOG": true, "MARK": true, "NFLOG": true,
	"NOTRACK": true, "RATEEST": true, "SECMARK": true, "SET": true, "TCPMSS": true, "TEE": true, "TOS": true, "TRACE": true,
	"TTL": true, "ULOG": true,
}

// parseIptables reads what iptables -S printed.
func parseIptables(listing string) iptablesRules {
	r := iptablesRules{map[string]string{}, map[string][]iptablesRule{}, map[string]bool{}}
	for line := range strings.Lines(listing) {
		line = strings.TrimSpace(line)
		words := splitWords(line)
		if len(words) < 2 {
			continue
		}
		chain := words[1]
		switch words[0] {
		case "-P":
			r.policy[chain] = words[len(words)-1]
		case "-N":
			r.chains[chain] = nil
		case "-A":
			text := strings.TrimPrefix(line, "-A "+chain+" ")
			r.chains[chain] = append(r.chains[chain], iptablesRule{words[2:], text})
		}
	}
	return r
}

// splitWords splits a line at blanks, but not in double quotes, in which a
// backslash keeps the next character (xtables_save_string in iptables).
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	var quoted, escaped, some bool
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
			some = true
		case c == ' ' && !quoted:
			if some {
				words = append(words, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(c)
			some = true
		}
	}
	if some {
		words = append(words, word.String())
	}
	return words
}

// after returns the word that follows one of these options, empty when there is none.
func (r iptablesRule) after(options ...string) string {
	for i, w := range r.words[:max(len(r.words)-1, 0)] {
		if slices.Contains(options, w) {
			return r.words[i+1]
		}
	}
	return ""
}

func (r iptablesRule) marked() bool { return r.after("--comment") == firewallMark }

// selective tells whether a rule that drops is a ban: it names the sources it is
// against, or takes what is above a limit. Bans stay in force.
func (r iptablesRule) selective() bool {
	if slices.Contains(r.words, "!") {
		return false
	}
	if i := slices.Index(r.words, "--match-set"); i >= 0 {
		return i+2 < len(r.words) && strings.HasPrefix(r.words[i+2], "src")
	}
	for _, option := range []string{"-s", "--src-range", "--mac-source", "--connlimit-above", "--hashlimit-above", "--update", "--rcheck"} {
		if slices.Contains(r.words, option) {
			return true
		}
	}
	return false
}

// canDrop tells whether the chain may drop a service's packets. It does not work
// out whether a rule matches them: to be wrong costs a rule that is not needed.
func (r iptablesRules) canDrop(chain string) bool {
	if drops, ok := r.drops[chain]; ok {
		return drops
	}
	r.drops[chain] = false // the kernel has no loops; this is for listings that do
	policy, ok := r.policy[chain]
	r.drops[chain] = ok && policy != "ACCEPT" || slices.ContainsFunc(r.chains[chain], r.ruleDrops)
	return r.drops[chain]
}

func (r iptablesRules) ruleDrops(rule iptablesRule) bool {
	if rule.marked() {
		return false
	}
	target := rule.after("-j", "-g")
	if _, ok := r.chains[target]; ok {
		return r.canDrop(target)
	}
	if iptablesPassing[target] {
		return false
	}
	return !rule.selective()
}

// An iptablesPlace tells what lvsdr's rules in a chain are and where they belong.
type iptablesPlace struct {
	openings []Opening // sorted
	old      map[Opening][]string
	number   int  // of the foreign rule that they belong before, counted from 1 without them
	shadowed bool // some of them come after it
}

func (r iptablesRules) place(chain string) iptablesPlace {
	p := iptablesPlace{old: map[Opening][]string{}}
	foreign, found := 0, false
	for _, rule := range r.chains[chain] {
		if o, ok := rule.opening(); ok {
			p.openings = append(p.openings, o)
			p.old[o] = append(p.old[o], rule.text)
			p.shadowed = p.shadowed || found
			continue
		}
		if !found && r.ruleDrops(rule) {
			found = true
			p.number = foreign + 1
		}
		foreign++
	}
	if !found {
		p.number = foreign + 1
	}
	p.openings = sortOpenings(p.openings)
	return p
}

// opening reads a rule of lvsdr's.
func (r iptablesRule) opening() (Opening, bool) {
	if !r.marked() {
		return Opening{}, false
	}
	prefix, err := netip.ParsePrefix(r.after("-d"))
	if err != nil {
		return Opening{}, false
	}
	o := Opening{VIP: prefix.Addr()}
	for _, p := range []Protocol{TCP, UDP, SCTP} {
		if name := r.after("-p"); name == p.String() || name == strconv.Itoa(int(p)) {
			o.Protocol = p
		}
	}
	port, err := strconv.ParseUint(r.after("--dport"), 10, 16)
	if err == nil {
		o.Port = uint16(port)
	}
	return o, o.Protocol != 0
}

// edit returns the input for iptables-restore that leaves exactly these openings
// in the chain, empty when it is so already. It replaces the table as a whole, so
// that taking a rule away before its new place is given closes nothing.
func (r iptablesRules) edit(chain string, openings []Opening) string {
	p := r.place(chain)
	if slices.Equal(p.openings, openings) && !p.shadowed {
		return ""
	}
	stay := map[Opening]bool{}
	var b strings.Builder
	b.WriteString("*filter\n")
	for _, o := range p.openings {
		if !p.shadowed && slices.Contains(openings, o) {
			stay[o] = true
			continue
		}
		for _, text := range p.old[o] {
			b.WriteString("-D " + chain + " " + text + "\n")
		}
	}
	before := 0 // lvsdr's rules that stay stand before the place
	for o := range stay {
		before += len(p.old[o])
	}
	for _, o := range openings {
		if !stay[o] {
			fmt.Fprintf(&b, "-I %s %d %s\n", chain, p.number+before, iptablesOpening(o))
			before++
		}
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// iptablesOpening is the rule that lets a service's packets pass.
func iptablesOpening(o Opening) string {
	rule := fmt.Sprintf("-d %s -p %s", netip.PrefixFrom(o.VIP, o.VIP.BitLen()), o.Protocol)
	if o.Port != 0 {
		rule += fmt.Sprintf(" -m %s --dport %d", o.Protocol, o.Port)
	}
	return rule + " -m comment --comment " + firewallMark + " -j ACCEPT"
}
