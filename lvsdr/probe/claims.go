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
	if !known {
		h.claims = append(h.claims, Claim{Addr: addr, MAC: mac, Target: target})
	}
}
