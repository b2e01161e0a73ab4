package ipvs

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// maxSeconds is what ipvsadm 1.31 takes: 31 days (MAX_TIMEOUT in ipvsadm.c).
	maxSeconds = 31 * 24 * 60 * 60
	// usualPersistence is that of -p without a number (ipvsadm(8)).
	usualPersistence = 300
)

// short cuts what an error repeats.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// options are those of one command, by the long names of ipvsadm(8).
type options struct {
	command string
	values  map[string]string // an option without a value is there, and empty
	rest    []string
}

// longNames are the long ones of the short options.
var longNames = map[byte]string{
	'A': "add-service", 'E': "edit-service", 'D': "delete-service", 'C': "clear",
	'a': "add-server", 'e': "edit-server", 'd': "delete-server",
	't': "tcp-service", 'u': "udp-service", 'f': "fwmark-service", 's': "scheduler", 'p': "persistent",
	'M': "netmask", 'o': "ops", 'b': "sched-flags", '6': "ipv6", 'r': "real-server",
	'g': "gatewaying", 'i': "ipip", 'm': "masquerading", 'w': "weight", 'x': "u-threshold", 'y': "l-threshold",
	'n': "numeric",
}

// kinds tell what an option takes.
var kinds = map[string]kind{
	"add-service": isCommand, "edit-service": isCommand, "delete-service": isCommand, "clear": isCommand,
	"add-server": isCommand, "edit-server": isCommand, "delete-server": isCommand, "set": isCommand,
	"tcp-service": takesValue, "udp-service": takesValue, "sctp-service": takesValue, "fwmark-service": takesValue,
	"scheduler": takesValue, "persistent": mayTakeValue, "netmask": takesValue, "pe": takesValue, "sched-flags": takesValue,
	"tun-type": takesValue, "tun-port": takesValue, "tun-nocsum": isSwitch, "tun-csum": isSwitch, "tun-remcsum": isSwitch,
	"real-server": takesValue, "weight": takesValue, "u-threshold": takesValue, "l-threshold": takesValue,
	"ops": isSwitch, "ipv6": isSwitch, "gatewaying": isSwitch, "ipip": isSwitch, "masquerading": isSwitch, "numeric": isSwitch,
}

type kind uint8

const (
	isSwitch kind = iota + 1
	isCommand
	takesValue
	mayTakeValue
)

// scanOptions reads the words of a command, as getopt_long does.
func scanOptions(words []string) (options, string) {
	o := options{values: map[string]string{}}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		var reason string
		switch {
		case strings.HasPrefix(word, "--"):
			name, value, joined := strings.Cut(word[2:], "=")
			words, reason = o.option(name, value, joined, words)
		case len(word) > 1 && word[0] == '-':
			words, reason = o.letters(word[1:], words)
		default:
			o.rest = append(o.rest, word)
		}
		if reason != "" {
			return o, reason
		}
	}
	if len(o.rest) > 0 && o.command != "set" {
		return o, "it does not fit in: " + strconv.Quote(short(o.rest[0]))
	}
	return o, ""
}

// letters reads short options that stand in one word, the last with its value or not.
func (o *options) letters(letters string, words []string) (rest []string, reason string) {
	for i := range len(letters) {
		name := longNames[letters[i]]
		if name == "" {
			return nil, fmt.Sprintf("the option -%s is none that makes a table", short(letters[i:]))
		}
		value := letters[i+1:]
		if k := kinds[name]; value != "" && (k == takesValue || k == mayTakeValue) {
			return o.option(name, value, true, words)
		}
		if words, reason = o.option(name, "", false, words); reason != "" {
			return nil, reason
		}
	}
	return words, ""
}

func (o *options) option(name, value string, joined bool, words []string) (rest []string, reason string) {
	k := kinds[name]
	switch {
	case name == "start-daemon":
		return nil, "it makes no table: take the line out, and write sync: into the description, with the interface"
	case k == 0:
		return nil, "the option --" + short(name) + " is none that makes a table"
	case k == isCommand && o.command != "":
		return nil, "one command a line: --" + o.command + " or --" + name
	case k == isCommand:
		o.command = name
		return words, ""
	case joined && (value != "" || k == mayTakeValue):
	case k == takesValue && (joined || len(words) == 0):
		return nil, "--" + name + " wants a value"
	case k == takesValue, k == mayTakeValue && len(words) > 0 && !strings.HasPrefix(words[0], "-"):
		value, words = words[0], words[1:]
	}
	if _, twice := o.values[name]; twice {
		return nil, "--" + name + " is given twice"
	}
	o.values[name] = value
	return words, ""
}

func (o options) has(name string) bool { _, ok := o.values[name]; return ok }

// service is what the options say of one.
func (o options) service() (e Entry, reason string) {
	if e.ID, reason = o.id(); reason != "" {
		return e, reason
	}
	e.Scheduler = "wlc" // ipvsadm(8)
	if o.has("scheduler") {
		e.Scheduler = o.values["scheduler"]
	}
	if o.has("ops") {
		e.Flags |= OnePacket
	}
	e.PE, e.Netmask = o.values["pe"], e.Addr.BitLen()
	if reason = o.persistence(&e); reason != "" || !o.has("sched-flags") {
		return e, reason
	}
	for _, name := range strings.Split(o.values["sched-flags"], ",") {
		bit := flagNamed(name)
		if bit == 0 {
			return e, "the scheduler's flag is not known: " + strconv.Quote(short(name))
		}
		e.Flags |= bit
	}
	return e, ""
}

// flagNamed is the bit of a scheduler's flag: sh-port, mh-fallback, flag-1.
func flagNamed(name string) Flags {
	if n, ok := strings.CutPrefix(name, "flag-"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '3' {
		return Sched1 << (n[0] - '1')
	}
	_, bit := SchedulerFlag(name)
	return bit
}

func (o options) persistence(e *Entry) (reason string) {
	if !o.has("persistent") {
		if o.has("netmask") || o.has("pe") {
			return "a netmask and a persistence engine need persistence (-p)"
		}
		return ""
	}
	seconds := uint64(usualPersistence)
	if text := o.values["persistent"]; text != "" {
		if seconds, reason = number(text, maxSeconds); reason != "" {
			return reason
		}
	}
	if seconds == 0 {
		return "a persistence of 0 seconds is none: leave -p out"
	}
	e.Flags |= Persistent
	e.Persistence = time.Duration(seconds) * time.Second
	if o.has("netmask") {
		e.Netmask, reason = prefixLength(o.values["netmask"], e.Addr)
	}
	return reason
}

// prefixLength reads 255.255.255.0, or for IPv6 the number.
func prefixLength(text string, vip netip.Addr) (int, string) {
	if vip.Is6() {
		n, reason := number(text, 128)
		if n == 0 && reason == "" {
			reason = "a prefix length from 1 to 128 is wanted"
		}
		return int(n), reason
	}
	mask, err := netip.ParseAddr(text)
	if err != nil || !mask.Is4() {
		return 0, "a netmask is wanted, such as 255.255.255.0"
	}
	bits := mask.As4()
	value := uint32(bits[0])<<24 | uint32(bits[1])<<16 | uint32(bits[2])<<8 | uint32(bits[3])
	for n := 1; n <= 32; n++ {
		if value == ^uint32(0)<<(32-n) {
			return n, ""
		}
	}
	return 0, "a netmask of ones and then zeros is wanted, such as 255.255.255.0"
}

// id is the service that the options name.
func (o options) id() (ID, string) {
	var found []string
	for _, name := range []string{"tcp-service", "udp-service", "sctp-service", "fwmark-service"} {
		if o.has(name) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return ID{}, "one service is wanted: -t, -u, --sctp-service or -f"
	}
	text := o.values[found[0]]
	if found[0] == "fwmark-service" {
		mark, reason := number(text, math.MaxUint32)
		if mark == 0 && reason == "" {
			reason = "a firewall mark from 1 is wanted"
		}
		family := netip.IPv4Unspecified()
		if o.has("ipv6") {
			family = netip.IPv6Unspecified()
		}
		return ID{Addr: family, FWMark: uint32(mark)}, reason
	}
	at, reason := addressAndPort(text, 0)
	protocol, _ := ParseProtocol(strings.TrimSuffix(found[0], "-service"))
	return ID{Addr: at.Addr(), Port: at.Port(), Protocol: protocol}, reason
}

// addressAndPort reads 10.10.10.22:80, [2001:db8::22]:80, or the address alone.
func addressAndPort(text string, port uint16) (netip.AddrPort, string) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && a.Zone() == "" {
		return netip.AddrPortFrom(a, port), ""
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Addr().Zone() != "" {
		return at, strconv.Quote(short(text)) + " is no address with a port: names of hosts and ports may be others elsewhere; " +
			"save the table with numbers: ipvsadm -S -n"
	}
	return at, ""
}

// destination is what the options say of a real server of a service. How a tunnel wraps
// its packets (--tun-type) is read and not kept.
func (o options) destination(id ID) (d Destination, reason string) {
	if !o.has("real-server") {
		return d, "the real server is missing: -r ADDRESS:PORT"
	}
	at, reason := addressAndPort(o.values["real-server"], id.Port)
	if reason != "" {
		return d, reason
	}
	d = Destination{Addr: at.Addr(), Port: at.Port(), Forwarding: DirectRoute}
	switch {
	case o.has("masquerading"):
		d.Forwarding = Masquerade
	case o.has("ipip"):
		d.Forwarding = Tunnel
	}
	weight := uint64(1)
	upper, lower := uint64(0), uint64(0)
	for _, v := range []struct {
		name string
		most uint64
		to   *uint64
	}{{"weight", math.MaxInt32, &weight}, {"u-threshold", math.MaxUint32, &upper}, {"l-threshold", math.MaxUint32, &lower}} {
		if !o.has(v.name) {
			continue
		}
		if *v.to, reason = number(o.values[v.name], v.most); reason != "" {
			return d, reason
		}
	}
	d.Weight, d.UpperThreshold, d.LowerThreshold = int32(weight), uint32(upper), uint32(lower)
	return d, ""
}

func number(text string, most uint64) (uint64, string) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Sprintf("%s is no number from 0 to %d", strconv.Quote(short(text)), most)
	}
	return n, ""
}
