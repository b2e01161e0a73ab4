package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// exchanges are what a host at serverMAC may send back for a knock, made from the
// frame of the knock.
func swapped(p packet, ttl uint8, payload []byte) []byte {
	return packet{from: serverMAC, to: testMAC, src: p.dst, dst: p.src, proto: p.proto, ttl: ttl, payload: payload}.frame()
}

func tcpAnswer(p packet, ack uint32, flags byte) []byte {
	b := make([]byte, tcpLen)
	copy(b, p.payload[2:4])
	copy(b[2:], p.payload[:2])
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13] = 5<<4, flags
	return swapped(p, 64, b)
}

// icmpAbout is an ICMP error about a packet, which it quotes up to eight bytes of
// its payload.
func icmpAbout(sent []byte, src netip.Addr, kind, code uint8) []byte {
	p, _ := parsePacket(sent)
	header, proto := ipv4Len, uint8(protoICMP)
	if p.src.Is6() {
		header, proto = ipv6Len, protoICMPv6
	}
	quoted := sent[etherLen : etherLen+header+8]
	b := append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, quoted...)
	if kind == redirect6 && src.Is6() {
		b = append(make([]byte, redirect6Len), 4, byte((8+len(quoted)+7)/8), 0, 0, 0, 0, 0, 0)
		b[0] = kind
		b = append(b, quoted...)
		b = append(b, make([]byte, -len(b)&7)...)
	}
	return packet{from: serverMAC, to: testMAC, src: src, dst: p.src, proto: proto, ttl: 64, payload: b}.frame()
}

func fewer(sent []byte) []byte {
	p, _ := parsePacket(sent)
	p.from, p.to, p.ttl = serverMAC, testMAC, p.ttl-1
	return p.frame()
}

const testSeq = 0x1000

func TestOutcomes(t *testing.T) {
	vip6 := netip.MustParseAddr("fd00::22")
	syn := Knock{Kind: SYN, To: netip.AddrPortFrom(testVIP, 80), From: testDIP, MAC: serverMAC}
	syn6 := Knock{Kind: SYN, To: netip.AddrPortFrom(vip6, 80), From: testDIP6, MAC: serverMAC}
	echo := Knock{Kind: Echo, To: netip.AddrPortFrom(testVIP, 0), From: testDIP, MAC: serverMAC}
	echo6 := Knock{Kind: Echo, To: netip.AddrPortFrom(vip6, 0), From: testDIP6, MAC: serverMAC}
	udp := Knock{Kind: Datagram, To: netip.AddrPortFrom(testVIP, 53), From: testDIP, MAC: serverMAC}
	echoed := func(kind byte) func([]byte) []byte {
		return func(sent []byte) []byte {
			p, _ := parsePacket(sent)
			b := append([]byte{}, p.payload...)
			b[0] = kind
			return swapped(p, 64, b)
		}
	}
	answered := func(src netip.Addr, proto uint8) func([]byte) []byte {
		return func(sent []byte) []byte {
			p, _ := parsePacket(sent)
			b := make([]byte, tcpLen)
			copy(b, []byte{p.payload[2], p.payload[3], p.payload[0], p.payload[1], 0, 8, 0, 0})
			return packet{from: serverMAC, to: testMAC, src: src, dst: p.src, proto: proto, ttl: 64, payload: b}.frame()
		}
	}
	tcp := func(ack uint32, flags byte) func([]byte) []byte {
		return func(sent []byte) []byte {
			p, _ := parsePacket(sent)
			return tcpAnswer(p, ack, flags)
		}
	}
	about := func(src netip.Addr, kind, code uint8) func([]byte) []byte {
		return func(sent []byte) []byte { return icmpAbout(sent, src, kind, code) }
	}
	tests := []struct {
		name   string
		knock  Knock
		answer func([]byte) []byte
		want   Outcome
		final  bool
	}{
		{"SYN-ACK", syn, tcp(testSeq+1, flagSYN|flagACK), Accepted, true},
		{"RST", syn, tcp(testSeq+1, flagRST|flagACK), Reset, true},
		{"SYN-ACK of another connection", syn, tcp(7, flagSYN|flagACK), Silent, false},
		{"data of another connection", syn, tcp(testSeq+1, flagACK), Silent, false},
		{"returned", syn, fewer, Returned, false},
		{"reflected", syn, func(sent []byte) []byte { return sent }, Silent, false},
		{"port unreachable", syn, about(testVIP, unreachable, 3), Unreachable, true},
		{"redirect", syn, about(testRIP, redirect, 1), Redirected, true},
		{"time exceeded", syn, about(testRIP, timeExceeded, 0), Expired, false},
		{"source quench", syn, about(testRIP, 4, 0), Silent, false},
		{"IPv6 SYN-ACK", syn6, tcp(testSeq+1, flagSYN|flagACK), Accepted, true},
		{"IPv6 returned", syn6, fewer, Returned, false},
		{"IPv6 unreachable", syn6, about(vip6, unreachable6, 4), Unreachable, true},
		{"IPv6 redirect", syn6, about(testV6, redirect6, 0), Redirected, true},
		{"IPv6 time exceeded", syn6, about(testV6, timeExceeded6, 0), Expired, false},
		{"echo", echo, echoed(echoReply), Accepted, true},
		{"echo returned", echo, fewer, Returned, false},
		{"echo's time exceeded", echo, about(testRIP, timeExceeded, 0), Expired, false},
		{"IPv6 echo", echo6, echoed(echoReply6), Accepted, true},
		{"datagram's answer", udp, answered(testVIP, protoUDP), Accepted, true},
		{"datagram's answer from another address", udp, answered(testRIP, protoUDP), Misaddressed, false},
		{"a segment from another address", syn, answered(testRIP, protoTCP), Silent, false},
		{"datagram's port unreachable", udp, about(testVIP, unreachable, 3), Unreachable, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			k := newKnocking([]Knock{test.knock}, testSeq, firstPort)
			frames, err := k.frames(testMAC, start)
			if err != nil {
				t.Fatal(err)
			}
			k.take(test.answer(frames[0]), start.Add(time.Millisecond))
			r := k.replies[0]
			if r.Outcome != test.want || k.final[0] != test.final {
				t.Fatalf("%s, final %v; want %s, %v", r.Outcome, k.final[0], test.want, test.final)
			}
			if r.Outcome == Silent {
				return
			}
			if r.MAC.String() != serverMAC.String() || r.After != time.Millisecond || r.TTL == 0 || !r.From.IsValid() {
				t.Errorf("reply %+v", r)
			}
			if resets := len(k.resets); (resets == 3) != (r.Outcome == Accepted && test.knock.Kind == SYN) {
				t.Errorf("%d connections reset", resets)
			}
		})
	}
}

// What tells more counts, in whichever order it comes.
func TestOutcomeOrder(t *testing.T) {
	knock := Knock{Kind: SYN, To: netip.AddrPortFrom(testVIP, 80), From: testDIP, MAC: otherMAC}
	k := newKnocking([]Knock{knock}, testSeq, firstPort)
	frames, _ := k.frames(testMAC, time.Now())
	p, _ := parsePacket(frames[0])
	steps := []struct {
		frame []byte
		want  Outcome
		wait  time.Duration
	}{
		{tcpAnswer(p, testSeq+1, flagSYN|flagACK), Accepted, grace}, // by another host than the one knocked at
		{fewer(frames[0]), Returned, grace},
		{icmpAbout(frames[0], testRIP, timeExceeded, 0), Expired, grace},
		{fewer(frames[0]), Expired, grace},
		{icmpAbout(frames[0], testRIP, redirect, 1), Redirected, 0},
		{icmpAbout(frames[0], testRIP, unreachable, 1), Redirected, 0},
	}
	if k.wait() != never {
		t.Errorf("waits %v for an answer", k.wait())
	}
	for _, s := range steps {
		k.take(s.frame, time.Now())
		if k.replies[0].Outcome != s.want || k.wait() != s.wait {
			t.Fatalf("%s, waits %v; want %s, %v", k.replies[0].Outcome, k.wait(), s.want, s.wait)
		}
	}
}

func TestKnockFrames(t *testing.T) {
	k := newKnocking([]Knock{
		{Kind: SYN, To: netip.AddrPortFrom(testVIP, 80), From: testDIP, MAC: serverMAC},
		{Kind: Echo, To: netip.AddrPortFrom(testVIP, 0), From: testDIP, MAC: serverMAC},
		{Kind: Datagram, To: netip.AddrPortFrom(testVIP, 9), From: testDIP, MAC: serverMAC},
	}, testSeq, firstPort)
	frames, err := k.frames(testMAC, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const ether, addresses = "020000000031 020000000030 0800 ", " 0a0a0a1e 0a0a0a16 "
	equal(t, frames[0], ether+"4500 002c 0000 4000 04 06 4e85"+addresses+"ee48 0050 00001000 00000000 6002 faf0 7669 0000 020405a0")
	equal(t, frames[1], ether+"4500 001c 0000 4000 04 01 4e9a"+addresses+"08 00 bd5f 4c56 ee49")
	equal(t, frames[2], ether+"4500 001c 0000 4000 04 11 4e8a"+addresses+"ee4a 0009 0008 e942")
	for name, knock := range map[string]Knock{
		"no address": {MAC: serverMAC}, "no MAC": {To: netip.AddrPortFrom(testVIP, 80), From: testDIP},
		"two families": {To: netip.AddrPortFrom(testVIP, 80), From: testDIP6, MAC: serverMAC},
	} {
		if _, err := newKnocking([]Knock{knock}, 1, firstPort).frames(testMAC, time.Now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := k.frames(net.HardwareAddr{1}, time.Now()); err == nil {
		t.Error("no error from an interface without MAC address")
	}
}

// FuzzFrames hands arbitrary frames to everything that reads one.
func FuzzFrames(f *testing.F) {
	knocks := []Knock{
		{Kind: SYN, To: netip.AddrPortFrom(testVIP, 80), From: testDIP, MAC: serverMAC},
		{Kind: SYN, To: netip.AddrPortFrom(testV6, 80), From: testDIP6, MAC: serverMAC},
		{Kind: Echo, To: netip.AddrPortFrom(testVIP, 0), From: testDIP, MAC: serverMAC},
	}
	k := newKnocking(knocks, testSeq, firstPort)
	frames, err := k.frames(testMAC, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	for _, frame := range frames {
		p, _ := parsePacket(frame)
		f.Add(frame)
		f.Add(icmpAbout(frame, p.dst, unreachable, 3))
		f.Add(icmpAbout(frame, p.dst, redirect6, 0))
	}
	advertisement, _ := Advertisement(serverMAC, testV6)
	gratuitous, _ := GratuitousARP(ARPReply, serverMAC, testVIP)
	f.Add(advertisement)
	f.Add(gratuitous)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if p, ok := parsePacket(frame); ok && len(p.payload) > len(frame)-etherLen-ipv4Len {
			t.Errorf("payload of %d bytes in a frame of %d", len(p.payload), len(frame))
		}
		if a, ok := parseARP(frame); ok {
			if b, ok := parseARP(a.frame()); !ok || !reflect.DeepEqual(a, b) {
				t.Errorf("%v becomes %v", a, b)
			}
		}
		k := newKnocking(knocks, testSeq, firstPort)
		if _, err := k.frames(testMAC, time.Now()); err != nil {
			t.Fatal(err)
		}
		k.take(frame, time.Now())
		open, silent := 0, 0
		for i, r := range k.replies {
			if !k.final[i] {
				open++
			}
			if r.Outcome == Silent {
				silent++
			}
		}
		if open != k.open || silent != k.silent {
			t.Errorf("%d open and %d silent, counted %d and %d", open, silent, k.open, k.silent)
		}
		newAsking([]Question{{Target: testVIP}, {Target: testV6}}).take(frame)
		newHearing([]netip.Addr{testVIP, testV6}).take(untag(frame))
	})
}
