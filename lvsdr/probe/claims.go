package probe

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
)

// A hearing is a [Claims] under way.
type hearing struct {
	addrs  []netip.Addr
	claims []Claim
	last   map[netip.Addr]int // the last one kept of an address
	kept   map[netip.Addr]int // how many are
}

func newHearing(addrs []netip.Addr) *hearing {
	return &hearing{addrs: addrs, last: map[netip.Addr]int{}, kept: map[netip.Addr]int{}}
}

// take looks at a frame that came in. An ARP packet, question or answer, claims its
// sender's address; a neighbour advertisement its target, a solicitation its source.
func (h *hearing) take(frame []byte) {
	if a, ok := parseARP(frame); ok && (a.op == ARPRequest || a.op == ARPReply) {
		target := a.goalIP
		if a.op == ARPReply {
			target = a.senderIP
		}
		h.claim(a.senderIP, a.sender, target)
	}
	if n, ok := parseND(frame); ok {
		if n.advertisement {
			h.claim(n.target, n.mac, n.target)
		} else {
			h.claim(n.source, n.mac, n.target)
		}
	}
}

func (h *hearing) claim(addr netip.Addr, mac net.HardwareAddr, target netip.Addr) {
	if !slices.Contains(h.addrs, addr) {
		return
	}
	known := slices.ContainsFunc(h.claims, func(c Claim) bool {
		return c.Addr == addr && bytes.Equal(c.MAC, mac) && (c.Target == addr) == (target == addr)
	})
	switch {
	case known:
	case h.kept[addr] == 2*most: // each may both answer and ask
		h.claims[h.last[addr]].More++
	default:
		h.kept[addr]++
		h.last[addr] = len(h.claims)
		h.claims = append(h.claims, Claim{Addr: addr, MAC: mac, Target: target})
	}
}
