package probe

import (
	"bytes"
	"encoding/binary"
	"net"
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
	if !ok || k.knocks[i].To.Port() != src || k.knocks[i].From != p.dst {
		return
	}
	switch kind := k.knocks[i].Kind; {
	case k.knocks[i].To.Addr() != p.src:
		// A client drops it. TCP has no such answers.
		if p.proto == protoUDP && kind == Datagram {
			k.reply(i, p, Reply{Outcome: Misaddressed}, now)
		}
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
		k.reply(i, p, Reply{Outcome: Accepted, MSS: segmentSize(p.payload)}, now)
		k.resets = append(k.resets, k.end(i, p.to)...)
	}
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
	case Misaddressed:
		return 1
	case Accepted, Reset:
		return 2
	case Returned:
		return 3
	case Expired:
		return 4
	}
	return 5
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
