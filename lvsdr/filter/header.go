package filter

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The headers of a packet as bytes, as far as they are known: what nft's payload
// expressions load from.

const (
	smallPacket = 60
	usualTTL    = 60 // of a packet from a few hops away
)

func (p Packet) length() int {
	if p.Length == 0 {
		return smallPacket
	}
	return p.Length
}

// headerLength is that of the IP header, which has no options.
func (p Packet) headerLength() int {
	if p.v6() {
		return 40
	}
	return 20
}

// hopLimit is that of an IPv6 packet.
func (p Packet) hopLimit() uint64 {
	if p.Protocol == icmp6 && p.ICMPType >= 133 && p.ICMPType <= 137 {
		return 255
	}
	return usualTTL
}

// isSource tells whether a field of the IP header is the sender's address.
func (p Packet) isSource(at, n int) bool {
	return p.v6() && at == 8 && n == 16 || !p.v6() && at == 12 && n == 4
}

func (p Packet) isDestination(at, n int) bool {
	return p.v6() && at == 24 && n == 16 || !p.v6() && at == 16 && n == 4
}

func (p Packet) hasPorts() bool { return p.Protocol == tcp || p.Protocol == udp || p.Protocol == sctp }

// usualMSS is the segment size that a client of an Ethernet has in its first segment.
func (p Packet) usualMSS() uint16 { return uint16(1500 - p.headerLength() - 20) }

func (p Packet) network() bits {
	switch {
	case p.arp != nil:
		return p.arp.header()
	case p.v6():
		b := p.overwritten(p.ipv6(), false)
		if p.any {
			b.forget(1, 2) // traffic class
			b.forget(4, 6) // length
			b.forget(7, 8) // hop limit
		}
		return b
	}
	b := p.overwritten(p.ipv4(), false)
	if p.any {
		b.forget(1, 4) // type of service, length
		b.forget(8, 9) // TTL
	}
	return b
}

func (p Packet) ipv4() bits {
	b := append(known(0x45, 0), known(binary.BigEndian.AppendUint16(nil, uint16(p.length()))...)...)
	b = append(b, blank(2, aboutOther)...)                                                    // identification
	b = append(b, cell{0, 0b10111111, aboutOther}, cell{0, 0xff, 0}, cell{usualTTL, 0xff, 0}) // DF may be set
	b = append(b, known(p.Protocol)...)
	b = append(b, blank(2, aboutOther)...) // checksum
	b = append(b, address(p.Src, 4, aboutNamed)...)
	return append(b, address(p.Dst, 4, p.peer())...)
}

func (p Packet) ipv6() bits {
	b := append(known(0x60), cell{0, 0xf0, aboutOther}) // traffic class 0
	b = append(b, blank(2, aboutOther)...)              // flow label
	b = append(b, known(binary.BigEndian.AppendUint16(nil, uint16(p.length()-40))...)...)
	b = append(b, known(p.Protocol)...)
	if p.Protocol == icmp6 && p.ICMPType >= 133 && p.ICMPType <= 137 {
		b = append(b, known(255)...) // RFC 4861: or it is not valid
	} else {
		b = append(b, known(usualTTL)...)
	}
	b = append(b, address(p.Src, 16, aboutNamed)...)
	return append(b, address(p.Dst, 16, p.peer())...)
}

// peer is what a destination that is not known depends on: of a reply, on who the
// client is.
func (p Packet) peer() doubt {
	if p.Translated || p.any {
		return aboutOther
	}
	return aboutNamed
}

func address(a netip.Addr, size int, d doubt) bits {
	if !a.IsValid() {
		return blank(size, d)
	}
	return known(a.AsSlice()...)
}

// overwritten is a header with what rules have written into it.
func (p Packet) overwritten(header bits, transport bool) bits {
	for _, w := range p.written {
		if w.transport == transport && w.at < len(header) {
			copy(header[w.at:], w.data)
		}
	}
	return header
}

func (p Packet) transport() bits { return p.overwritten(p.body(), true) }

func (p Packet) body() bits {
	if p.any && p.Protocol != icmp4 && p.Protocol != icmp6 {
		return blank(20, aboutOther)
	}
	ports := known(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p.SrcPort), p.DstPort)...)
	switch p.Protocol {
	case tcp:
		b := append(ports, blank(8, aboutOther)...) // sequence numbers
		b = append(b, cell{0, 0x0f, aboutOther}, cell{p.TCPFlags, 0xff, 0})
		return append(b, blank(6, aboutOther)...)
	case icmp4, icmp6:
		return append(known(p.ICMPType, p.ICMPCode), blank(6, aboutOther)...)
	case udp:
		b := append(ports, blank(8, aboutOther)...)
		if p.Length != 0 {
			copy(b[4:], known(binary.BigEndian.AppendUint16(nil, uint16(p.Length-p.headerLength()))...))
		}
		return b
	case sctp:
		return append(ports, blank(8, aboutOther)...)
	}
	return blank(20, aboutOther)
}

// link is the Ethernet header: destination, source, type.
func (p Packet) link() bits {
	b := append(blank(6, aboutOther), blank(6, aboutNamed)...)
	return append(b, known(binary.BigEndian.AppendUint16(nil, p.etherType())...)...)
}

func (p Packet) etherType() uint16 {
	switch {
	case p.arp != nil:
		return 0x0806
	case p.v6():
		return 0x86dd
	}
	return 0x0800
}

// kindOn is kind with the interface In, which counts only addresses of its own as local
// ("fib daddr . iif type").
func (p Packet) kindOn(a netip.Addr) (kind uint32, ok bool) {
	kind, ok = p.kind(a)
	switch {
	case !ok || kind != 2:
		return kind, ok
	case len(p.LocalIn) == 0 || !a.IsValid():
		return 0, false
	case !slices.Contains(p.LocalIn, a):
		return 1, true
	}
	return kind, true
}

// kind is the type of route to an address, as rtnetlink(7) numbers it: what "fib
// daddr type" and addrtype tell.
func (p Packet) kind(a netip.Addr) (kind uint32, ok bool) {
	switch {
	case !a.IsValid():
		return 2, p.Translated && a == p.Dst
	case a.IsMulticast():
		return 5, true
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return 3, true
	}
	for _, l := range p.Local {
		if l == a {
			return 2, true
		}
	}
	return 1, len(p.Local) > 0
}
