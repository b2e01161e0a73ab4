package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
)

const (
	etherIPv4 = 0x0800

	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17

	ipv4Len = 20
	ipv6Len = 40
	tcpLen  = 20
	udpLen  = 8

	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// A packet is an IP packet in an Ethernet frame, as far as it is told apart here.
type packet struct {
	from, to net.HardwareAddr
	src, dst netip.Addr
	proto    uint8
	ttl      uint8
	payload  []byte
}

// frame renders the packet.
func (p packet) frame() []byte {
	if p.src.Is4() {
		b := ether(p.to, p.from, etherIPv4)
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Len+len(p.payload)))
		b = append(b, 0, 0, 0x40, 0, p.ttl, p.proto, 0, 0) // don't fragment
		b = append(b, p.src.AsSlice()...)
		b = append(b, p.dst.AsSlice()...)
		binary.BigEndian.PutUint16(b[etherLen+10:], ^fold(sum(0, b[etherLen:])))
		return append(b, p.payload...)
	}
	b := ether(p.to, p.from, etherIPv6)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.payload)))
	b = append(b, p.proto, p.ttl)
	b = append(b, p.src.AsSlice()...)
	b = append(b, p.dst.AsSlice()...)
	return append(b, p.payload...)
}

// parsePacket is the inverse of frame. IPv6 extension headers and all but the
// first fragment are not for us.
func parsePacket(frame []byte) (p packet, ok bool) {
	if len(frame) < etherLen {
		return packet{}, false
	}
	p, ok = parseIP(frame[etherLen:], binary.BigEndian.Uint16(frame[12:]))
	p.to, p.from = net.HardwareAddr(frame[:6]), net.HardwareAddr(frame[6:12])
	return p, ok
}

// parseIP reads a packet of the given EtherType. What an ICMP error quotes may be
// cut off: the payload is then shorter than the packet says.
func parseIP(b []byte, etherType uint16) (p packet, ok bool) {
	switch {
	case etherType == etherIPv4 && len(b) >= ipv4Len && b[0]>>4 == 4:
		header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
		if header < ipv4Len || total < header || len(b) < header || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return packet{}, false
		}
		p.ttl, p.proto = b[8], b[9]
		p.src, p.dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		p.payload = b[header:min(total, len(b))]
		return p, true
	case etherType == etherIPv6 && len(b) >= ipv6Len && b[0]>>4 == 6:
		p.proto, p.ttl = b[6], b[7]
		p.src, p.dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		p.payload = b[ipv6Len:min(ipv6Len+int(binary.BigEndian.Uint16(b[4:])), len(b))]
		return p, true
	}
	return packet{}, false
}

// sum adds 16-bit words for the Internet checksum (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// checksum is that over the pseudo-header and a payload whose own checksum is
// still zero.
func checksum(src, dst netip.Addr, proto uint8, payload []byte) uint16 {
	s := uint32(len(payload)) + uint32(proto)
	s = sum(sum(s, src.AsSlice()), dst.AsSlice())
	return ^fold(sum(s, payload))
}

// ports are the first four bytes of TCP and UDP.
func ports(payload []byte) (src, dst uint16, ok bool) {
	if len(payload) < 4 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:]), true
}
