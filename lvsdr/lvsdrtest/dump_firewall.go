package lvsdrtest

import (
	"fmt"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// dumpFirewalls writes the gates, somebody else's rules as they were written, and
// lvsdr's openings one a line, marked as such: the real ones are fewer rules.
func (s *state) dumpFirewalls() []string {
	var lines []string
	for _, f := range s.firewalls {
		for _, g := range f.gates {
			lines = append(lines, g.declaration(f)...)
			lines = append(lines, g.rules...)
			for _, o := range slices.Backward(g.openings) { // each is inserted before the last
				lines = append(lines, g.openingText(f, o))
			}
			lines = append(lines, g.above...)
		}
		for _, o := range f.untracked {
			lines = append(lines, fmt.Sprintf("nft add rule %s %s notrack comment \"lvsdr\"", trackingGate, nftMatch(o)))
		}
	}
	return lines
}

func (g *gate) declaration(f *firewall) []string {
	switch {
	case f.name == "nftables":
		return []string{"nft add chain " + g.name + " { " + g.hook + " policy " + g.policy + "; }"}
	case g.policy == "drop":
		return []string{g.family + "tables -P " + g.chain() + " DROP"}
	}
	return nil
}

// chain is the name that iptables has for the gate.
func (g *gate) chain() string {
	if g.output {
		return "OUTPUT"
	}
	return "INPUT"
}

func (g *gate) openingText(f *firewall, o host.Opening) string {
	if f.name == "nftables" {
		return fmt.Sprintf("nft insert rule %s %s accept comment \"lvsdr\"", g.name, nftMatch(o))
	}
	match := fmt.Sprintf("-p %s --dport %d", o.Protocol, o.Port)
	switch {
	case o.IsTooBig() && o.VIP.Is4():
		match = "-p icmp --icmp-type " + host.TooBigName(o.VIP)
	case o.IsTooBig():
		match = "-p ipv6-icmp --icmpv6-type " + host.TooBigName(o.VIP)
	case o.Port == 0:
		match = "-p " + host.ProtocolName(o.Protocol)
	}
	return fmt.Sprintf("%stables -I %s -d %s %s -m comment --comment lvsdr -j ACCEPT", g.family, g.chain(), o.VIP, match)
}

func nftMatch(o host.Opening) string {
	family := "ip"
	if o.VIP.Is6() {
		family = "ip6"
	}
	if o.IsTooBig() && o.VIP.Is4() {
		return fmt.Sprintf("ip daddr %s icmp code frag-needed", o.VIP)
	}
	if o.IsTooBig() {
		return fmt.Sprintf("ip6 daddr %s icmpv6 type packet-too-big", o.VIP)
	}
	if o.Port == 0 {
		return fmt.Sprintf("%s daddr %s meta l4proto %s", family, o.VIP, host.ProtocolName(o.Protocol))
	}
	return fmt.Sprintf("%s daddr %s %s dport %d", family, o.VIP, o.Protocol, o.Port)
}
