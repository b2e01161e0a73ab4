package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A request is what a server of a well-known UDP port answers without knowing who
// asks and without remembering it.
type request struct {
	name string // with its article, for people
	data func(k Knock, port uint16) []byte
}

// requests are those that are cheap to ask, by port. Not here: RADIUS, which answers
// a Status-Server (RFC 5997) only to those who share its secret, syslog, which answers
// nothing (RFC 5426), TFTP, which answers from another port (RFC 1350), and OpenVPN
// and WireGuard, which want keys.
var requests = map[uint16]request{
	53:   {"a DNS query", dnsQuery},
	123:  {"an NTP request", ntpRequest},
	443:  {"a QUIC packet of an unknown version", quicInitial},
	3478: {"a STUN request", stunRequest},
	5060: {"a SIP OPTIONS request", sipOptions},
}

// RequestName names what a [Datagram] to the port asks, "an empty datagram" when
// nothing is known that its server would answer.
func RequestName(port uint16) string {
	if r, ok := requests[port]; ok {
		return r.name
	}
	return "an empty datagram"
}

// datagram is what goes into a [Datagram] sent from the port.
func (k Knock) datagram(port uint16) []byte {
	if r, ok := requests[k.To.Port()]; ok {
		return r.data(k, port)
	}
	return nil
}

// dnsQuery asks for the root's name servers, without recursion (RFC 1035 section 4):
// a server that does not know them, or does not want to tell, says so.
func dnsQuery(_ Knock, port uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, port) // the ID
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)   // a query with one question
	return append(b, 0, 0, 2, 0, 1)               // ".", NS, IN
}

// ntpRequest is that of a client, version 4 (RFC 5905 section 7.3). The time in it
// comes back in the answer and need not be one.
func ntpRequest(_ Knock, port uint16) []byte {
	b := make([]byte, 48)
	b[0] = 4<<3 | 3
	binary.BigEndian.PutUint16(b[40:], port)
	return b
}

// quicInitial has a version that is reserved to be unknown, 0x?a?a?a?a: the server
// tells those that it knows, and forgets it (RFC 9000 section 6). Less than 1200 bytes
// it drops (section 14.1).
func quicInitial(_ Knock, port uint16) []byte {
	b := make([]byte, 1200)
	b[0] = 0xc0
	copy(b[1:], []byte{0x1a, 0x2a, 0x3a, 0x4a, 8})
	binary.BigEndian.PutUint16(b[6:], port) // in the destination connection ID, of 8 bytes
	b[14] = 8                               // the source connection ID's
	return b
}

// stunRequest asks for the binding (RFC 8489 section 5).
func stunRequest(_ Knock, port uint16) []byte {
	b := []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	return binary.BigEndian.AppendUint16(b, port)
}

// sipOptions asks what the server can do (RFC 3261 section 11). It is not to be handed
// on, and to be answered where it comes from (RFC 3581).
func sipOptions(k Knock, port uint16) []byte {
	from, to := netip.AddrPortFrom(k.From, port), k.To
	return fmt.Appendf(nil, "OPTIONS sip:%[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[1]s;rport;branch=z9hG4bK%[3]d\r\nMax-Forwards: 0\r\n"+
		"From: <sip:lvsdr@%[1]s>;tag=%[3]d\r\nTo: <sip:%[2]s>\r\nCall-ID: lvsdr-%[3]d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", from, to, port)
}
