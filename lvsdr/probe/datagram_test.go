package probe

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// Each request is a datagram with a right length and checksum, and begins as its
// protocol demands.
func TestRequests(t *testing.T) {
	for port, want := range map[uint16]struct {
		name, head string
		length     int
	}{
		53:   {"a DNS query", "\xee\x48\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01", 17},
		123:  {"an NTP request", "\x23\x00", 48},
		443:  {"a QUIC packet of an unknown version", "\xc0\x1a\x2a\x3a\x4a\x08", 1200},
		3478: {"a STUN request", "\x00\x01\x00\x00\x21\x12\xa4\x42", 20},
		5060: {"a SIP OPTIONS request", "OPTIONS sip:10.10.10.22:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.10.10.30:61000;rport;", 0},
		514:  {"an empty datagram", "", 0},
	} {
		if got := RequestName(port); got != want.name {
			t.Errorf("port %d: %s, want %s", port, got, want.name)
		}
		k := newKnocking([]Knock{{Kind: Datagram, To: netip.AddrPortFrom(testVIP, port), From: testDIP, MAC: serverMAC}}, testSeq, firstPort)
		frames, err := k.frames(testMAC, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p, _ := parsePacket(frames[0])
		data := p.payload[udpLen:]
		if int(binary.BigEndian.Uint16(p.payload[4:])) != len(p.payload) || want.length > 0 && len(data) != want.length {
			t.Errorf("port %d: %d bytes of data: %x", port, len(data), p.payload)
		}
		if !bytes.HasPrefix(data, []byte(want.head)) {
			t.Errorf("port %d: %x, want %x", port, data, want.head)
		}
		if s := checksum(p.src, p.dst, protoUDP, p.payload); s != 0 {
			t.Errorf("port %d: checksum off by %x", port, s)
		}
	}
}

func TestSegmentSize(t *testing.T) {
	for _, test := range []struct {
		options string
		want    uint16
	}{
		{"", 0}, {"\x02\x04\x05\xb4", 1460}, {"\x01\x01\x02\x04\x05\x50", 1360}, {"\x04\x02\x02\x04\x05\xb4", 1460},
		{"\x00\x02\x04\x05\xb4", 0}, {"\x02", 0}, {"\x08\x00\x02\x04", 0}, {"\x08\x40\x02\x04", 0}, {"\x02\x04\x05", 0},
	} {
		segment := make([]byte, tcpLen, tcpLen+40)
		segment[12] = byte(tcpLen+len(test.options)+3) / 4 << 4
		if got := segmentSize(append(segment, test.options...)); got != test.want {
			t.Errorf("options %x: %d, want %d", test.options, got, test.want)
		}
	}
}
