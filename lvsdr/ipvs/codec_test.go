package ipvs

import (
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	vip  = netip.MustParseAddr("10.10.10.22")
	vip6 = netip.MustParseAddr("fd00::22")
	rip  = netip.MustParseAddr("10.10.10.31")
	rip6 = netip.MustParseAddr("fd00::31")
	web  = ID{Addr: vip, Port: 80, Protocol: TCP}
)

// TestCommandBytes compares whole messages with bytes put together by hand from
// linux/netlink.h and linux/ip_vs.h.
func TestCommandBytes(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	const id = "06000100 02000000 06000200 06000000 08000300 0a0a0a16 06000400 00500000"
	for _, test := range []struct {
		name    string
		command Command
		want    string
	}{
		{"the mission's service", Command{Op: AddService, Service: &Service{ID: web, Scheduler: "wrr", Persistence: 20 * time.Second}},
			"5c000000 2100 0100 07000000 00000000 01010000" + "48000180" + id +
				"08000600 77727200 0c000700 01000000 fdffffff 08000800 14000000 08000900 ffffffff"},
		{"a mark for IPv6", Command{Op: RemoveService, Service: &Service{ID: ID{Addr: vip6, FWMark: 9}}},
			"28000000 2100 0100 07000000 00000000 03010000" + "14000180 06000100 0a000000 08000500 09000000"},
		{"the mission's real server", Command{AddDestination, &Service{ID: web}, &Destination{Addr: rip, Port: 80, Forwarding: DirectRoute, Weight: 1}},
			"74000000 2100 0100 07000000 00000000 05010000" + "24000180" + id +
				"3c000280 08000100 0a0a0a1f 06000200 00500000 06000b00 02000000" +
				"08000300 03000000 08000400 01000000 08000500 00000000 08000600 00000000"},
		{"a real server removed", Command{RemoveDestination, &Service{ID: web}, &Destination{Addr: rip, Port: 80}},
			"54000000 2100 0100 07000000 00000000 07010000" + "24000180" + id +
				"1c000280 08000100 0a0a0a1f 06000200 00500000 06000b00 02000000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := appendCommand(nil, test.command, 0x21, 7)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(test.want, " ", ""); hex.EncodeToString(got) != want {
				t.Errorf("got  %x\nwant %s", got, want)
			}
		})
	}
}

// roundTrips are services that read back as they were written.
var roundTrips = []Service{
	{ID: web, Scheduler: "wrr", Netmask: 32},
	{ID: web, Scheduler: "wrr", Netmask: 24, Flags: Persistent, Persistence: 20 * time.Second},
	{ID: ID{vip, 53, UDP, 0}, Scheduler: "sh", Netmask: 32, Flags: OnePacket | Sched1 | Sched2 | Sched3},
	{ID: ID{vip6, 2905, SCTP, 0}, Scheduler: "mh", Netmask: 128},
	{ID: ID{vip6, 0, TCP, 0}, Scheduler: "rr", Netmask: 64, Flags: Persistent, Persistence: maxPersistence},
	{ID: ID{netip.IPv4Unspecified(), 0, 0, math.MaxUint32}, Scheduler: "fifteenletters_", Netmask: 1},
	{ID: ID{netip.IPv6Unspecified(), 0, 0, 1}, Scheduler: "rr", Netmask: 128},
	{ID: ID{vip, 5060, UDP, 0}, Scheduler: "rr", Netmask: 32, PE: "sip", Flags: Persistent, Persistence: time.Second},
}

func readService(payload []byte, detail Detail) (s Service, err error) {
	err = decodeService(payload, detail, &s)
	return s, err
}

func readDestination(payload []byte, family uint16, detail Detail) (d Destination, err error) {
	err = decodeDestination(payload, family, detail, &d)
	return d, err
}

func TestServiceRoundTrip(t *testing.T) {
	for _, want := range roundTrips {
		b, err := appendCommand(nil, Command{Op: SetService, Service: &want}, 1, 1)
		if err != nil {
			t.Errorf("%v: %v", want, err)
			continue
		}
		m, rest, err := cutMessage(b)
		if err != nil || len(rest) != 0 {
			t.Errorf("%v: %v, %d bytes left", want, err, len(rest))
		}
		if got, err := readService(m.payload, Plain); err != nil || got != want {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
	}
}

func TestDestinationRoundTrip(t *testing.T) {
	for _, want := range []Destination{
		{Addr: rip, Port: 80, Forwarding: DirectRoute, Weight: 1},
		{Addr: rip6, Port: 65535, Forwarding: Tunnel, Weight: math.MaxInt32},
		{Addr: rip, Forwarding: Masquerade, UpperThreshold: math.MaxUint32, LowerThreshold: 1 << 31},
		{Addr: rip, Forwarding: Bypass, Weight: 70000},
	} {
		b, err := appendCommand(nil, Command{SetDestination, &Service{ID: web}, &want}, 1, 1)
		if err != nil {
			t.Errorf("%v: %v", want, err)
			continue
		}
		m, _, _ := cutMessage(b)
		if got, err := readDestination(m.payload, 0, Plain); err != nil || got != want {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
	}
}

func TestInvalidCommands(t *testing.T) {
	service := func(s Service) Command { return Command{Op: AddService, Service: &s} }
	dest := func(d Destination) Command { return Command{AddDestination, &Service{ID: web}, &d} }
	for name, c := range map[string]Command{
		"no op":               {Service: &Service{ID: web}},
		"no service":          {Op: AddService},
		"no destination":      {Op: AddDestination, Service: &Service{ID: web}},
		"no address":          service(Service{ID: ID{Port: 80, Protocol: TCP}, Scheduler: "rr"}),
		"mapped address":      service(Service{ID: ID{netip.MustParseAddr("::ffff:10.0.0.1"), 80, TCP, 0}, Scheduler: "rr"}),
		"zone":                service(Service{ID: ID{netip.MustParseAddr("fe80::1%lo"), 80, TCP, 0}, Scheduler: "rr"}),
		"no scheduler":        service(Service{ID: web}),
		"long scheduler":      service(Service{ID: web, Scheduler: "sixteen_letters_"}),
		"NUL in a name":       service(Service{ID: web, Scheduler: "rr", PE: "a\x00b"}),
		"netmask too long":    service(Service{ID: web, Scheduler: "rr", Netmask: 33}),
		"less than a second":  service(Service{ID: web, Scheduler: "rr", Persistence: time.Millisecond}),
		"a month and more":    service(Service{ID: web, Scheduler: "rr", Persistence: 32 * 24 * time.Hour}),
		"removed: no address": {Op: RemoveService, Service: &Service{}},
		"dest: no address":    dest(Destination{Port: 80}),
		"dest: forwarding":    dest(Destination{Addr: rip, Forwarding: 8}),
	} {
		before := []byte("before")
		b, err := appendCommand(before, c, 1, 1)
		if !errors.Is(err, syscall.EINVAL) || string(b) != "before" {
			t.Errorf("%s: %v, %q", name, err, b)
		}
	}
}

func TestDecodeNetmask(t *testing.T) {
	for mask, want := range map[string]int{
		"\xff\xff\xff\xff": 32, "\xff\xff\xff\x00": 24, "\x80\x00\x00\x00": 1,
		"\x00\x00\x00\x00": 0, "\xff\x00\xff\x00": 0, "\x00\x00\x00\xff": 0,
	} {
		if got := decodeNetmask([]byte(mask), familyIPv4); got != want {
			t.Errorf("%x: got %d, want %d", mask, got, want)
		}
	}
	if got := decodeNetmask(native.AppendUint32(nil, 129), familyIPv6); got != 0 {
		t.Errorf("129: got %d", got)
	}
}

// TestDecodeStats: 64-bit counters win over those that wrap.
func TestDecodeStats(t *testing.T) {
	var stats, stats64 []byte
	want := Stats{1 << 40, 2 << 40, 3 << 40, 4 << 40, 5 << 40, 6 << 40, 7 << 40, 8 << 40, 9 << 40, 10 << 40}
	for i := uint16(1); i <= 10; i++ {
		stats = appendUint32(stats, i, uint32(i))
		stats64 = native.AppendUint16(stats64, 12)
		stats64 = native.AppendUint16(stats64, i)
		stats64 = native.AppendUint64(stats64, uint64(i)<<40)
	}
	if got, err := decodeStats(stats, stats64); err != nil || got == nil || *got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	want = Stats{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if got, err := decodeStats(stats, nil); err != nil || got == nil || *got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOldKernelTellsNoFamily(t *testing.T) {
	b := openMessage(nil, 1, 0, 1, cmdGetDest)
	start := len(b)
	b = appendPort(appendAddr(openNest(b, attrDest), destAddr, rip6), destPort, 80)
	closeNest(b, start)
	got, err := readDestination(b[headerLen:], familyIPv6, Plain)
	if err != nil || got.Addr != rip6 || got.Port != 80 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeError(t *testing.T) {
	text := appendString(nil, errorAttrMessage, "no such thing")
	request := append(native.AppendUint32(nil, 24), make([]byte, 20)...)
	code := native.AppendUint32(nil, uint32(0xffffffff-uint32(syscall.ENOENT)+1))
	cat := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for _, test := range []struct {
		name    string
		m       message
		message string
	}{
		{"plain", message{typ: msgError, payload: cat(code, request)}, ""},
		{"text after the request", message{typ: msgError, flags: flagAckTLVs, payload: cat(code, request, text)}, "no such thing"},
		{"text after a capped request", message{typ: msgError, flags: flagAckTLVs | flagCapped, payload: cat(code, request[:16], text)}, "no such thing"},
		{"dump", message{typ: msgDone, flags: flagMulti | flagAckTLVs, payload: cat(code, text)}, "no such thing"},
		{"request longer than the message", message{typ: msgError, flags: flagAckTLVs, payload: cat(code, []byte{255, 255, 255, 255}, request[4:])}, ""},
	} {
		err := decodeError(test.m)
		var e *Error
		if !errors.As(err, &e) || e.Errno != syscall.ENOENT || e.Message != test.message {
			t.Errorf("%s: %#v", test.name, err)
		}
	}
	if err := decodeError(message{typ: msgError, payload: make([]byte, 20)}); err != nil {
		t.Errorf("acknowledgement: %v", err)
	}
	if err := decodeError(message{typ: msgError}); !errors.Is(err, errMalformed) {
		t.Errorf("empty: %v", err)
	}
}
