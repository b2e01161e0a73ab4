package ipvs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ReadConnections reads connections in the form of /proc/net/ip_vs_conn
// (ip_vs_conn_seq_show in net/netfilter/ipvs/ip_vs_conn.c), as long as more, which is
// told how many there are already, wants another one.
func ReadConnections(r io.Reader, more func(have int) bool) ([]Connection, error) {
	var all []Connection
	lines := bufio.NewScanner(r)
	for first := true; more(len(all)) && lines.Scan(); first = false {
		line := lines.Text()
		if first && strings.HasPrefix(line, "Pro ") {
			continue
		}
		c, err := parseConnection(line)
		if err != nil {
			return all, fmt.Errorf("connection %q: %w", line, err)
		}
		all = append(all, c)
	}
	return all, lines.Err()
}

var errShortConnection = errors.New("fewer than nine fields")

// parseConnection reads "TCP 0A0A0A64 D431 0A0A0A16 0050 0A0A0A1F 0050 ESTABLISHED
// 899 sip data"; the addresses of IPv6 are written as such.
func parseConnection(line string) (c Connection, err error) {
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return c, errShortConnection
	}
	if c.Protocol, err = ParseProtocol(fields[0]); err != nil {
		c.Protocol = 0 // a template of all a VIP's ports, or of a firewall mark, says "IP"
	}
	for i, to := range []*netip.AddrPort{&c.Client, &c.Virtual, &c.Server} {
		if *to, err = parseEnd(fields[1+2*i], fields[2+2*i]); err != nil {
			return c, err
		}
	}
	seconds, err := strconv.ParseUint(fields[8], 10, 32)
	if err != nil {
		return c, err
	}
	c.State, c.Expires = internState(fields[7]), time.Duration(seconds)*time.Second
	if len(fields) > 9 {
		c.PE = strings.Clone(fields[9])
	}
	return c, nil
}

func parseEnd(addr, port string) (netip.AddrPort, error) {
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if text := strings.Trim(addr, "[]"); strings.Contains(text, ":") {
		a, err := netip.ParseAddr(text)
		return netip.AddrPortFrom(a, uint16(number)), err
	}
	v4, err := strconv.ParseUint(addr, 16, 32)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(v4))
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(number)), nil
}

// states are the names of connection states (ip_vs_proto_tcp.c, _udp.c, _sctp.c,
// and of templates ip_vs_proto.c), of which a table holds many the same.
var states = []string{
	"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN",
	"SYNACK", "UDP", "ASSURED",
}

// internState returns a string that does not hold on to the line.
func internState(s string) string {
	for _, known := range states {
		if s == known {
			return known
		}
	}
	return strings.Clone(s)
}
