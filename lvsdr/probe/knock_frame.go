package probe

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// frame is the frame of knock i.
func (k *knocking) frame(i int, mac net.HardwareAddr) ([]byte, error) {
	n := k.knocks[i]
	to := n.To.Addr()
	if err := check(n.MAC, to, to.IsValid() && to.Is4() == n.From.Is4() && !to.Is4In6() && n.From.IsValid()); err != nil {
		return nil, err
	}
	if len(mac) != 6 {
		return nil, fmt.Errorf("%q is no Ethernet address", mac.String())
	}
	p := packet{from: mac, to: n.MAC, src: n.From, dst: to, ttl: TTL}
	p.proto, p.payload = k.payload(i)
	return p.frame(), nil
}

func (k *knocking) payload(i int) (proto uint8, b []byte) {
	n, id := k.knocks[i], k.port+uint16(i)
	switch n.Kind {
	case SYN:
		return protoTCP, tcpSegment(n.From, n.To, id, k.seq, flagSYN)
	case Datagram:
		b = binary.BigEndian.AppendUint16(nil, id)
		b = binary.BigEndian.AppendUint16(b, n.To.Port())
		data := n.datagram(id)
		b = binary.BigEndian.AppendUint16(b, uint16(udpLen+len(data)))
		b = append(append(b, 0, 0), data...)
		sum := checksum(n.From, n.To.Addr(), protoUDP, b)
		if sum == 0 {
			sum = 0xffff // 0 would say that there is none (RFC 768)
		}
		binary.BigEndian.PutUint16(b[6:], sum)
		return protoUDP, b
	}
	b = []byte{echoRequest, 0, 0, 0}
	if n.From.Is6() {
		b[0] = echoRequest6
	}
	b = binary.BigEndian.AppendUint16(b, echoID)
	b = binary.BigEndian.AppendUint16(b, id)
	if n.From.Is6() {
		binary.BigEndian.PutUint16(b[2:], checksum(n.From, n.To.Addr(), protoICMPv6, b))
		return protoICMPv6, b
	}
	binary.BigEndian.PutUint16(b[2:], ^fold(sum(0, b)))
	return protoICMP, b
}

// tcpSegment is a segment without data; a SYN says which segment size fits
// Ethernet, as every host's does.
func tcpSegment(from netip.Addr, to netip.AddrPort, port uint16, seq uint32, flags byte) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, tcpLen+4), port)
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0, tcpLen/4<<4, flags, 0xfa, 0xf0, 0, 0, 0, 0)
	if flags&flagSYN != 0 {
		b[12] = (tcpLen + 4) / 4 << 4
		b = append(b, 2, 4, 0x05, 0xa0) // maximum segment size 1440
	}
	binary.BigEndian.PutUint16(b[16:], checksum(from, to.Addr(), protoTCP, b))
	return b
}

// end ends the half-open connection, the way the SYN went. The first RST does so at the
// server, whose program never hears of it. A director on the way takes no RST in
// SYN_RECV, where its entry would stay for a minute; it takes an ACK for the connection
// and then the RST for its end, and forgets it after 10 s (tcp_states in
// net/netfilter/ipvs/ip_vs_proto_tcp.c). To the server that ACK belongs to nothing.
func (k *knocking) end(i int, mac net.HardwareAddr) [][]byte {
	return [][]byte{k.segment(i, mac, flagRST), k.segment(i, mac, flagACK), k.segment(i, mac, flagRST)}
}

// segment is one that follows the SYN.
func (k *knocking) segment(i int, mac net.HardwareAddr, flags byte) []byte {
	n := k.knocks[i]
	return packet{
		from: mac, to: n.MAC, src: n.From, dst: n.To.Addr(), ttl: TTL, proto: protoTCP,
		payload: tcpSegment(n.From, n.To, k.port+uint16(i), k.seq+1, flags),
	}.frame()
}

// segmentSize is the maximum segment size that a SYN-ACK announces, 0: none (RFC 9293
// section 3.2). parsePacket has seen to the fixed part of the header.
func segmentSize(segment []byte) uint16 {
	end := min(int(segment[12]>>4)*4, len(segment))
	for at := tcpLen; at < end; {
		switch {
		case segment[at] == 0:
			return 0
		case segment[at] == 1:
			at++
		case at+2 > end || segment[at+1] < 2 || at+int(segment[at+1]) > end:
			return 0
		case segment[at] == 2 && segment[at+1] == 4:
			return binary.BigEndian.Uint16(segment[at+2:])
		default:
			at += int(segment[at+1])
		}
	}
	return 0
}

// late end the connections of the SYNs on which nothing came, lest an answer on its way
// leaves a half-open connection.
func (k *knocking) late(mac net.HardwareAddr) (frames [][]byte) {
	for i, r := range k.replies {
		if r.Outcome == Silent && k.knocks[i].Kind == SYN {
			frames = append(frames, k.end(i, mac)...)
		}
	}
	return frames
}
