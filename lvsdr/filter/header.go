package filter

import (
	"encoding/binary"
	"net/netip"
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

func (p Packet) network() bits {
	switch {
	case p.arp != nil:
		return p.arp.header()
	case p.v6():
		b := p.ipv6()
		if p.any {
			b.forget(4, 6) // length
			b.forget(7, 8) // hop limit
		}
		return b
	}
	b := p.ipv4()
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
	b := append(known(0x60), blank(3, aboutOther)...) // flow label
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

func (p Packet) transport() bits {
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
	case udp, sctp:
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
