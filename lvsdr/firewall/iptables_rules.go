package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// iptablesOpenings reads a rule of lvsdr's.
func iptablesOpenings(r filter.ChainRule) []host.Opening {
	line := r.Line()
	prefix, err := netip.ParsePrefix(line.After("-d"))
	if err != nil {
		return nil
	}
	o := host.Opening{VIP: prefix.Addr()}
	if big := iptablesTooBig(o.VIP); line.After(big.option) == big.value {
		return []host.Opening{host.TooBig(o.VIP)}
	}
	for _, p := range []cluster.Protocol{cluster.TCP, cluster.UDP, cluster.SCTP, host.VRRPProtocol} {
		if name := line.After("-p"); name == host.ProtocolName(p) || name == strconv.Itoa(int(p)) {
			o.Protocol = p
		}
	}
	port, err := strconv.ParseUint(line.After("--dport"), 10, 16)
	if err == nil {
		o.Port = uint16(port)
	}
	if o.Protocol == 0 {
		return nil
	}
	return []host.Opening{o}
}

// An icmpMatch is how iptables has a type of ICMP.
type icmpMatch struct{ protocol, match, option, value string }

// iptablesTooBig matches what [host.TooBig] lets in, as iptables-save writes it.
func iptablesTooBig(vip netip.Addr) icmpMatch {
	if vip.Is4() {
		return icmpMatch{"icmp", "icmp", "--icmp-type", "3/4"}
	}
	return icmpMatch{"ipv6-icmp", "icmp6", "--icmpv6-type", "2"}
}

// iptablesEdit returns the input for iptables-restore that leaves exactly these
// openings in the chain, empty when it is so already. It replaces the table as a
// whole, so that taking a rule away before its new place is given closes nothing.
func iptablesEdit(c filter.Chain, openings []host.Opening) string {
	p := placeIn(c, iptablesOpenings)
	if p.is(openings) {
		return ""
	}
	wanted := map[host.Opening]bool{}
	for _, o := range openings {
		wanted[o] = !p.shadowed
	}
	var b strings.Builder
	b.WriteString("*" + c.Table + "\n")
	gone := []int{}
	for _, i := range p.own {
		r := c.Rule(i)
		if own := iptablesOpenings(r); len(own) == 1 && wanted[own[0]] {
			delete(wanted, own[0]) // it stays
			continue
		}
		b.WriteString("-D " + c.Name + " " + string(r.Line()) + "\n")
		gone = append(gone, i)
	}
	for _, at := range p.places() {
		number := at + 1 // where the next rule comes, from 1
		for _, i := range gone {
			if i < at {
				number--
			}
		}
		for _, o := range openings {
			if _, due := wanted[o]; due && p.door(o).at == at {
				fmt.Fprintf(&b, "-I %s %d %s\n", c.Name, number, iptablesOpening(o))
				number++
			}
		}
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// places are where rules of ours belong, the last first: what is inserted there moves
// no other.
func (p place) places() []int {
	all := []int{p.services.at, p.tooBig.at}
	slices.Sort(all)
	slices.Reverse(all)
	return slices.Compact(all)
}

// iptablesOpening is the rule that lets a service's packets pass.
func iptablesOpening(o host.Opening) string {
	rule := fmt.Sprintf("-d %s -p %s", netip.PrefixFrom(o.VIP, o.VIP.BitLen()), iptablesProtocol(o))
	if o.Port != 0 {
		rule += fmt.Sprintf(" -m %s --dport %d", o.Protocol, o.Port)
	}
	return rule + " -m comment --comment " + firewallMark + " -j ACCEPT"
}

// iptablesProtocol is the opening's protocol, with the type where it is ICMP.
func iptablesProtocol(o host.Opening) string {
	switch {
	case o.IsTooBig():
		m := iptablesTooBig(o.VIP)
		return fmt.Sprintf("%s -m %s %s %s", m.protocol, m.match, m.option, m.value)
	case o.Protocol == host.VRRPProtocol: // its name stands in /etc/protocols alone
		return strconv.Itoa(int(o.Protocol))
	}
	return o.Protocol.String()
}
