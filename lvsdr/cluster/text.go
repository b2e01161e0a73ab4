package cluster

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// refuse is the error for a word that is not what it should be.
func refuse(text, reason string) error {
	return &ConfigError{Text: short(text), Reason: reason}
}

// ParseAddress parses an IPv4 or IPv6 address. Names are refused, because a
// director must come up without DNS, and so are ports, masks and zones. It fails
// with a [*ConfigError].
func ParseAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, refuse(s, notAnAddress(s))
	}
	if a.Zone() != "" {
		return netip.Addr{}, refuse(s, "an address without a zone is wanted: leave out %"+shown(a.Zone()))
	}
	return a, nil
}

// notAnAddress explains what s is instead of an address.
func notAnAddress(s string) string {
	if s == "" {
		return "an IPv4 or IPv6 address is wanted, such as 10.10.10.22"
	}
	if a, ok := addressOfPort(s); ok {
		return "an address without a port is wanted: " + a + "; direct routing never rewrites ports, so that " +
			"a real server answers on the ports of its service, which stand under ports"
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return "an address without a mask is wanted: " + p.Addr().String() + "; lvsdr sets the mask itself"
	}
	if strings.Trim(s, "0123456789.") == "" {
		return "not an IPv4 address: four numbers from 0 to 255 without leading zeros are wanted, such as 10.10.10.22"
	}
	if strings.Contains(s, ":") {
		return "not an IPv6 address: it is written as in 2001:db8::22"
	}
	return "an IPv4 or IPv6 address is wanted, not a name: it must work before DNS does"
}

// addressOfPort returns the address of "ADDRESS:PORT" or "[ADDRESS]".
func addressOfPort(s string) (string, bool) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().String(), true
	}
	inner, ok := strings.CutPrefix(s, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if ok && closed {
		if a, err := netip.ParseAddr(inner); err == nil {
			return a.String(), true
		}
	}
	return "", false
}

// ParsePort parses PORT or PORT/PROTOCOL: "80", "53/udp", "2905/sctp". Without a
// protocol it is TCP. Port 0 stands for every port. It fails with a
// [*ConfigError].
func ParsePort(s string) (Port, error) {
	number, protocol, found := strings.Cut(s, "/")
	if !found {
		protocol = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || !plainNumber(number) {
		return Port{}, refuse(s, notAPort(s, number))
	}
	p, err := ipvs.ParseProtocol(protocol)
	if err != nil {
		return Port{}, refuse(s, "the protocol after the port must be tcp, udp or sctp, as in 53/udp")
	}
	return Port{uint16(n), p}, nil
}

func notAPort(s, number string) string {
	if strings.Contains(number, ":") {
		return "one port is wanted, such as 80 or 53/udp: direct routing never rewrites ports, " +
			"so that the real servers must listen on the port that clients use"
	}
	if strings.Trim(number, "0123456789-") == "" && strings.Contains(strings.Trim(number, "-"), "-") {
		return "a range of ports is not possible: list the ports, or use port 0 (every port) with persistence"
	}
	return "a port from 0 to 65535 is wanted, with /udp or /sctp when it is not TCP: 80, 53/udp"
}

// plainNumber tells whether s is a decimal number in its only usual spelling.
func plainNumber(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// String renders the port as [ParsePort] reads it, without /tcp.
func (p Port) String() string {
	number := strconv.Itoa(int(p.Number))
	if p.Protocol == TCP || p.Protocol == 0 {
		return number
	}
	return number + "/" + p.Protocol.String()
}

// MarshalText is [Port.String].
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// MarshalYAML is a number where the protocol is TCP, as people write it.
func (p Port) MarshalYAML() (any, error) {
	if p.Protocol == TCP || p.Protocol == 0 {
		return int(p.Number), nil
	}
	return p.String(), nil
}

// UnmarshalText is [ParsePort].
func (p *Port) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePort(string(text))
	return err
}

// UnmarshalJSON takes a number as well as a string: 80, "53/udp".
func (p *Port) UnmarshalJSON(data []byte) error {
	text := string(data)
	if bytes.HasPrefix(data, []byte{'"'}) {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	return p.UnmarshalText([]byte(text))
}

// ParseRealServer parses ADDRESS or ADDRESS=WEIGHT: "10.10.10.31=3". It fails with a
// [*ConfigError].
func ParseRealServer(s string) (RealServer, error) {
	address, weight, found := strings.Cut(s, "=")
	a, err := ParseAddress(address)
	if err != nil {
		return RealServer{}, err
	}
	server := RealServer{Address: a}
	if !found {
		return server, nil
	}
	w, err := strconv.Atoi(weight)
	if err != nil || !plainNumber(weight) || w > maxWeight {
		return RealServer{}, refuse(weight, "the weight after = must be 0 to 65535, as in 10.10.10.31=3")
	}
	server.Weight = &w
	return server, nil
}

// ParseTimeouts parses TCP,TCPFIN,UDP: "30s,5s,60s". 0 leaves the kernel's. It
// fails with a [*ConfigError].
func ParseTimeouts(s string) (Timeouts, error) {
	words := strings.Split(s, ",")
	if len(words) != 3 {
		return Timeouts{}, refuse(s, "three durations TCP,TCPFIN,UDP are wanted, such as 30s,5s,60s; 0 leaves the kernel's")
	}
	var t Timeouts
	for i, d := range []*Duration{&t.TCP, &t.TCPFin, &t.UDP} {
		if err := d.UnmarshalText([]byte(words[i])); err != nil {
			return Timeouts{}, err
		}
		if reason := wrongSeconds(*d); reason != "" {
			return Timeouts{}, refuse(words[i], reason)
		}
	}
	return t, nil
}

// ParseDuration parses a duration with its unit: "20s", "1m30s". A number without
// a unit is refused, because 20 could be meant as seconds or as minutes; 0 needs
// none. It fails with a [*ConfigError].
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil && d < 0:
		return 0, refuse(s, "a duration cannot be negative")
	case err == nil:
		return Duration(d), nil
	case s != "" && strings.Trim(s, "0123456789") == "":
		return 0, refuse(s, "a duration needs its unit, h, m or s: "+short(s)+"s")
	}
	return 0, refuse(s, "a duration is wanted, a number and its unit h, m or s: 20s, 1m30s")
}

// String renders the duration as [ParseDuration] reads it: "20s", "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText is [Duration.String].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is [ParseDuration].
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}
