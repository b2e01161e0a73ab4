package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// firewallMark is the comment that tells lvsdr's rules from everybody else's.
const firewallMark = "lvsdr"

// iptablesRules is the table filter as iptables -S prints it.
type iptablesRules struct {
	policy map[string]string         // of the built-in chains
	chains map[string][]iptablesRule // in order
	drops  map[string]bool           // what canDrop has found out
}

// An iptablesRule is one rule of it.
type iptablesRule struct{ filter.Line }

// parseIptables reads what iptables -S printed.
func parseIptables(listing string) iptablesRules {
	r := iptablesRules{map[string]string{}, map[string][]iptablesRule{}, map[string]bool{}}
	table := filter.ParseListing(listing)["filter"]
	maps.Copy(r.policy, table.Policy)
	for chain, lines := range table.Chains {
		r.chains[chain] = nil
		for _, l := range lines {
			r.chains[chain] = append(r.chains[chain], iptablesRule{l})
		}
	}
	return r
}

func (r iptablesRule) marked() bool { return r.After("--comment") == firewallMark }

// selective tells whether a rule that drops is a ban: it names the sources it is
// against, or takes what is above a limit. Bans stay in force.
func (r iptablesRule) selective() bool {
	if slices.Contains(r.Words, "!") {
		return false
	}
	if i := slices.Index(r.Words, "--match-set"); i >= 0 {
		return i+2 < len(r.Words) && strings.HasPrefix(r.Words[i+2], "src")
	}
	for _, option := range []string{"-s", "--src-range", "--mac-source", "--connlimit-above", "--hashlimit-above", "--update", "--rcheck"} {
		if slices.Contains(r.Words, option) {
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
	target := rule.After("-j", "-g")
	if _, ok := r.chains[target]; ok {
		return r.canDrop(target)
	}
	if filter.Passing(target) {
		return false
	}
	return !rule.selective()
}

// An iptablesPlace tells what lvsdr's rules in a chain are and where they belong.
type iptablesPlace struct {
	openings []host.Opening // sorted
	old      map[host.Opening][]string
	number   int  // of the foreign rule that they belong before, counted from 1 without them
	shadowed bool // some of them come after it
}

func (r iptablesRules) place(chain string) iptablesPlace {
	p := iptablesPlace{old: map[host.Opening][]string{}}
	foreign, found := 0, false
	for _, rule := range r.chains[chain] {
		if o, ok := rule.opening(); ok {
			p.openings = append(p.openings, o)
			p.old[o] = append(p.old[o], rule.Text)
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
	p.openings = host.SortOpenings(p.openings)
	return p
}

// opening reads a rule of lvsdr's.
func (r iptablesRule) opening() (host.Opening, bool) {
	if !r.marked() {
		return host.Opening{}, false
	}
	prefix, err := netip.ParsePrefix(r.After("-d"))
	if err != nil {
		return host.Opening{}, false
	}
	o := host.Opening{VIP: prefix.Addr()}
	for _, p := range []cluster.Protocol{cluster.TCP, cluster.UDP, cluster.SCTP} {
		if name := r.After("-p"); name == p.String() || name == strconv.Itoa(int(p)) {
			o.Protocol = p
		}
	}
	port, err := strconv.ParseUint(r.After("--dport"), 10, 16)
	if err == nil {
		o.Port = uint16(port)
	}
	return o, o.Protocol != 0
}

// edit returns the input for iptables-restore that leaves exactly these openings
// in the chain, empty when it is so already. It replaces the table as a whole, so
// that taking a rule away before its new place is given closes nothing.
func (r iptablesRules) edit(chain string, openings []host.Opening) string {
	p := r.place(chain)
	if slices.Equal(p.openings, openings) && !p.shadowed {
		return ""
	}
	stay := map[host.Opening]bool{}
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
func iptablesOpening(o host.Opening) string {
	rule := fmt.Sprintf("-d %s -p %s", netip.PrefixFrom(o.VIP, o.VIP.BitLen()), o.Protocol)
	if o.Port != 0 {
		rule += fmt.Sprintf(" -m %s --dport %d", o.Protocol, o.Port)
	}
	return rule + " -m comment --comment " + firewallMark + " -j ACCEPT"
}
