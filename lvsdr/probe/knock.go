package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// never is longer than any call lasts.
const never = time.Hour

// A knocking is a [Knocks] under way: each knock and what came of it so far.
type knocking struct {
	knocks  []Knock
	replies []Reply
	final   []bool
	sent    []time.Time
	seq     uint32 // of the TCP segments
	port    uint16 // source port of the first knock, or its echo's sequence number
	byPort  map[uint16]int
	open    int // knocks without a final reply
	silent  int // those without any
	resets  [][]byte
}

// maxKnocks bounds a call: each knock has a source port of its own, above those
// that Linux gives out by itself (net.ipv4.ip_local_port_range).
const (
	firstPort = 61000
	maxKnocks = 4000
)

func newKnocking(knocks []Knock, seq uint32, port uint16) *knocking {
	k := &knocking{
		knocks: knocks, replies: make([]Reply, len(knocks)), final: make([]bool, len(knocks)),
		sent: make([]time.Time, len(knocks)), seq: seq, port: port, byPort: map[uint16]int{},
		open: len(knocks), silent: len(knocks),
	}
	for i := range knocks {
		k.replies[i].Outcome = Silent
		k.byPort[port+uint16(i)] = i
	}
	return k
}

// frames are those of the knocks on which nothing came yet.
func (k *knocking) frames(mac net.HardwareAddr, now time.Time) ([][]byte, error) {
	var frames [][]byte
	for i := range k.knocks {
		if k.replies[i].Outcome != Silent {
			continue
		}
		frame, err := k.frame(i, mac)
		if err != nil {
			return nil, err
		}
		if k.sent[i].IsZero() {
			k.sent[i] = now
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

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
		b = append(b, 0, 8, 0, 0)
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

// take looks at a frame that came in.
func (k *knocking) take(frame []byte, now time.Time) {
	p, ok := parsePacket(frame)
	if !ok {
		return
	}
	switch p.proto {
	case protoTCP, protoUDP:
		k.takePorts(p, now)
	case protoICMP, protoICMPv6:
		k.takeICMP(p, now)
	}
}

// takePorts looks at a TCP segment or a UDP datagram: an answer, or our own packet
// sent back.
func (k *knocking) takePorts(p packet, now time.Time) {
	src, dst, ok := ports(p.payload)
	if !ok {
		return
	}
	if i, ok := k.byPort[src]; ok && k.same(i, p, src, dst) && p.ttl < TTL {
		k.reply(i, p, Reply{Outcome: Returned}, now)
		return
	}
	i, ok := k.byPort[dst]
	if !ok || k.knocks[i].To != netip.AddrPortFrom(p.src, src) || k.knocks[i].From != p.dst {
		return
	}
	switch kind := k.knocks[i].Kind; {
	case p.proto == protoUDP && kind == Datagram:
		k.reply(i, p, Reply{Outcome: Accepted}, now)
	case p.proto == protoTCP && kind == SYN && len(p.payload) >= tcpLen:
		k.takeTCP(i, p, now)
	}
}

func (k *knocking) takeTCP(i int, p packet, now time.Time) {
	ack := binary.BigEndian.Uint32(p.payload[8:])
	switch flags := p.payload[13]; {
	case flags&flagACK == 0 || ack != k.seq+1:
	case flags&flagRST != 0:
		k.reply(i, p, Reply{Outcome: Reset}, now)
	case flags&flagSYN != 0:
		k.reply(i, p, Reply{Outcome: Accepted}, now)
		k.resets = append(k.resets, k.reset(i, p.to))
	}
}

// reset closes the half-open connection, the way the SYN went.
func (k *knocking) reset(i int, mac net.HardwareAddr) []byte {
	n := k.knocks[i]
	return packet{
		from: mac, to: n.MAC, src: n.From, dst: n.To.Addr(), ttl: TTL, proto: protoTCP,
		payload: tcpSegment(n.From, n.To, k.port+uint16(i), k.seq+1, flagRST),
	}.frame()
}

// late are the resets for the SYNs on which nothing came, lest an answer on its way
// leaves a half-open connection.
func (k *knocking) late(mac net.HardwareAddr) (frames [][]byte) {
	for i, r := range k.replies {
		if r.Outcome == Silent && k.knocks[i].Kind == SYN {
			frames = append(frames, k.reset(i, mac))
		}
	}
	return frames
}

// same tells whether a packet, ours sent back or quoted in an ICMP error, is that
// of knock i.
func (k *knocking) same(i int, p packet, src, dst uint16) bool {
	n := k.knocks[i]
	if p.src != n.From || p.dst != n.To.Addr() {
		return false
	}
	switch p.proto {
	case protoTCP:
		return n.Kind == SYN && dst == n.To.Port()
	case protoUDP:
		return n.Kind == Datagram && dst == n.To.Port()
	}
	return n.Kind == Echo
}

// reply notes what came, unless what came before tells more.
func (k *knocking) reply(i int, p packet, r Reply, now time.Time) {
	if k.final[i] || rank(r.Outcome) < rank(k.replies[i].Outcome) {
		return
	}
	if k.replies[i].Outcome == Silent {
		k.silent--
	}
	r.MAC, r.From, r.TTL, r.After = p.from, p.src, p.ttl, now.Sub(k.sent[i])
	k.replies[i] = r
	if k.last(i, r) {
		k.final[i] = true
		k.open--
	}
}

// last tells whether nothing that tells more can follow: an answer by another host
// than the one knocked at may come by a way that an ICMP redirect tells of.
func (k *knocking) last(i int, r Reply) bool {
	asked := k.knocks[i].MAC
	switch r.Outcome {
	case Accepted, Reset:
		return bytes.Equal(r.MAC, asked) || asked[0]&1 != 0
	case Unreachable, Redirected:
		return true
	}
	return false
}

// rank orders outcomes by how much they tell.
func rank(o Outcome) int {
	switch o {
	case Silent:
		return 0
	case Accepted, Reset:
		return 1
	case Returned:
		return 2
	case Expired:
		return 3
	}
	return 4
}

// wait tells how much longer to wait at the most.
func (k *knocking) wait() time.Duration {
	switch {
	case k.silent > 0:
		return never
	case k.open > 0:
		return grace
	}
	return 0
}
