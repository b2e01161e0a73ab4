package filter

import (
	"net/netip"
	"slices"
)

// An arpPacket is a question or an answer of ARP for IPv4 over Ethernet (RFC 826).
type arpPacket struct {
	answer         bool
	sender, target netip.Addr // invalid: any
}

// Where the header has the sender's and the target's IP address, in bytes.
const (
	arpSender = 14
	arpTarget = 24
)

// The hooks of nftables' family arp (include/uapi/linux/netfilter_arp.h).
const (
	arpIn  Hook = 0
	arpOut Hook = 1
)

func (a *arpPacket) header() bits {
	operation := byte(1)
	if a.answer {
		operation = 2
	}
	b := append(known(0, 1, 8, 0, 6, 4, 0, operation), blank(6, aboutOther)...)
	b = append(b, address(a.sender, 4, aboutOther)...)
	b = append(b, blank(6, aboutOther)...)
	return append(b, address(a.target, 4, aboutOther)...)
}

// ARPDropped are the addresses for which the rules of nftables' family arp surely
// drop the questions, or the answers, or give these another sender, on one of the
// interfaces: those that the rules name, and others where they are asked for.
func (r *Ruleset) ARPDropped(others ...netip.Addr) []netip.Addr {
	var dropped []netip.Addr
	for _, a := range append(slices.Clone(r.arp), others...) {
		if a.Is4() && !slices.Contains(dropped, a) && r.silences(a) {
			dropped = append(dropped, a)
		}
	}
	slices.SortFunc(dropped, netip.Addr.Compare)
	return dropped
}

func (r *Ruleset) silences(a netip.Addr) bool {
	for link := range r.links {
		question := Packet{Hook: arpIn, In: link, arp: &arpPacket{target: a}}
		reply := Packet{Hook: arpOut, Out: link, arp: &arpPacket{answer: true, sender: a}}
		if link != "lo" && (r.Trace(question).Drops() || r.Trace(reply).Drops()) {
			return true
		}
	}
	return false
}
