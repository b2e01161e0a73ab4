package probe

import (
	"encoding/binary"
	"time"
)

// ICMP's types (RFC 792, RFC 4443, RFC 4861).
const (
	echoReply    = 0
	unreachable  = 3
	redirect     = 5
	echoRequest  = 8
	timeExceeded = 11

	unreachable6  = 1
	timeExceeded6 = 3
	echoRequest6  = 128
	echoReply6    = 129
	redirect6     = 137

	redirect6Len = 40 // ICMPv6 header, target, destination
)

// echoID marks our echo requests; their sequence number tells them apart.
const echoID = 0x4c56 // "LV"

// takeICMP looks at an ICMP message: an answer to an echo, our own echo sent back,
// or an error about one of our packets.
func (k *knocking) takeICMP(p packet, now time.Time) {
	if len(p.payload) < 8 || (p.proto == protoICMPv6) != p.src.Is6() {
		return
	}
	kind, code := p.payload[0], p.payload[1]
	if outcome := icmpError(p.proto, kind); outcome != "" {
		k.takeError(p, Reply{Outcome: outcome, Type: kind, Code: code}, now)
		return
	}
	i, ok := k.echo(p.payload)
	if !ok {
		return
	}
	n := k.knocks[i]
	switch kind {
	case echoReply, echoReply6:
		if p.src == n.To.Addr() && p.dst == n.From {
			k.reply(i, p, Reply{Outcome: Accepted}, now)
		}
	case echoRequest, echoRequest6:
		if k.same(i, p, 0, 0) && p.ttl < TTL {
			k.reply(i, p, Reply{Outcome: Returned}, now)
		}
	}
}

func icmpError(proto, kind uint8) Outcome {
	if proto == protoICMP {
		return map[uint8]Outcome{unreachable: Unreachable, redirect: Redirected, timeExceeded: Expired}[kind]
	}
	return map[uint8]Outcome{unreachable6: Unreachable, redirect6: Redirected, timeExceeded6: Expired}[kind]
}

// echo finds the knock of an echo request or reply.
func (k *knocking) echo(message []byte) (i int, ok bool) {
	if len(message) < 8 || binary.BigEndian.Uint16(message[4:]) != echoID {
		return 0, false
	}
	i, ok = k.byPort[binary.BigEndian.Uint16(message[6:])]
	return i, ok && k.knocks[i].Kind == Echo
}

// takeError finds the knock that an ICMP error is about by the packet it quotes.
func (k *knocking) takeError(p packet, r Reply, now time.Time) {
	quoted := p.payload[8:]
	etherType := uint16(etherIPv4)
	if p.proto == protoICMPv6 {
		etherType = etherIPv6
	}
	if p.proto == protoICMPv6 && r.Type == redirect6 {
		if quoted = redirected(p.payload); quoted == nil {
			return
		}
	}
	q, ok := parseIP(quoted, etherType)
	if !ok {
		return
	}
	src, dst, _ := ports(q.payload)
	i, ok := k.byPort[src]
	if q.proto == protoICMP || q.proto == protoICMPv6 {
		i, ok = k.echo(q.payload)
	}
	if ok && k.same(i, q, src, dst) {
		k.reply(i, p, r, now)
	}
}

// redirected is the packet that an ICMPv6 redirect quotes in its option "redirected
// header" (RFC 4861 section 4.6.3).
func redirected(message []byte) []byte {
	if len(message) < redirect6Len {
		return nil
	}
	for b := message[redirect6Len:]; len(b) >= 8; {
		size := int(b[1]) * 8
		if size == 0 || size > len(b) {
			return nil
		}
		if b[0] == 4 {
			return b[8:size]
		}
		b = b[size:]
	}
	return nil
}
