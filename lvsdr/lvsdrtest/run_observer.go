package lvsdrtest

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// runListen is "listen tcp [::]:80 nginx[100]", at the end "v6only", "unsure" or "dev eth0".
func (s *state) runListen(words []string) error {
	l, err := parseListener(words)
	if err != nil {
		return err
	}
	s.listeners = append(s.listeners, l)
	return nil
}

// runClose is "close tcp [::]:80".
func (s *state) runClose(words []string) error {
	l, err := parseListener(words)
	s.listeners = slices.DeleteFunc(s.listeners, func(x host.Listener) bool {
		return x.Protocol == l.Protocol && x.Addr == l.Addr && x.Port == l.Port
	})
	return err
}

func parseListener(words []string) (l host.Listener, err error) {
	if len(words) < 2 {
		return l, errUsage
	}
	if l.Protocol, err = ipvs.ParseProtocol(words[0]); err != nil {
		return l, err
	}
	at, err := netip.ParseAddrPort(words[1])
	l.Addr, l.Port = at.Addr(), at.Port()
	if len(words) > 2 {
		l.Process = words[2]
		l.Link = options(words[3:])["dev"]
	}
	l.Both = l.Addr == netip.IPv6Unspecified() && !slices.Contains(words, "v6only")
	l.Unsure = slices.Contains(words, "unsure")
	return l, err
}

func (s *state) dumpListeners() []string {
	var lines []string
	for _, l := range s.listeners {
		line := fmt.Sprintf("listen %s %s %s", l.Protocol, netip.AddrPortFrom(l.Addr, l.Port), l.Process)
		if l.Addr == netip.IPv6Unspecified() && !l.Both {
			line += " v6only"
		}
		if l.Unsure {
			line += " unsure"
		}
		if l.Link != "" {
			line += " dev " + l.Link
		}
		lines = append(lines, line)
	}
	return lines
}

// runNeigh is "ip neigh add 10.10.10.22 lladdr 02:00:00:00:00:30 dev eth0 nud
// permanent" and "ip neigh del 10.10.10.22 dev eth0".
func (s *state) runNeigh(op string, words []string) error {
	o := options(words[1:])
	addr, err := netip.ParseAddr(words[0])
	n := host.Neighbour{Addr: addr, Link: o["dev"], State: strings.ToUpper(o["nud"])}
	if n.State == "" {
		n.State = "PERMANENT"
	}
	if o["lladdr"] != "" && err == nil {
		n.MAC, err = net.ParseMAC(o["lladdr"])
	}
	if err != nil {
		return err
	}
	s.neighbours = slices.DeleteFunc(s.neighbours, func(x host.Neighbour) bool { return x.Addr == n.Addr && x.Link == n.Link })
	if op != "del" {
		s.neighbours = append(s.neighbours, n)
	}
	return nil
}

func (s *state) dumpNeighbours() []string {
	var lines []string
	for _, n := range s.neighbours {
		line := "ip neigh add " + n.Addr.String()
		if n.MAC != nil {
			line += " lladdr " + n.MAC.String()
		}
		lines = append(lines, line+" dev "+n.Link+" nud "+strings.ToLower(n.State))
	}
	return lines
}

// runPs is "ps add keepalived" and "ps del keepalived".
func (s *state) runPs(words []string) error {
	if len(words) != 2 {
		return errUsage
	}
	if words[0] == "add" {
		s.processes = append(s.processes, words[1])
		return nil
	}
	s.processes = slices.DeleteFunc(s.processes, func(p string) bool { return p == words[1] })
	return nil
}

func (s *state) dumpProcesses() []string {
	var lines []string
	for _, p := range slices.Sorted(slices.Values(s.processes)) {
		lines = append(lines, "ps add "+p)
	}
	return lines
}

// runConn is "conn add tcp SYN_RECV 10.10.10.100:4000 10.10.10.22:80 10.10.10.31:80
// 60", the seconds until it expires last, and "conn flush".
func (s *state) runConn(words []string) error {
	if words[0] == "flush" {
		s.connections = nil
		return nil
	}
	if len(words) != 7 || words[0] != "add" {
		return errUsage
	}
	c := ipvs.Connection{State: words[2]}
	var err error
	if words[1] != "ip" {
		c.Protocol, err = ipvs.ParseProtocol(words[1])
	}
	for i, to := range []*netip.AddrPort{&c.Client, &c.Virtual, &c.Server} {
		if err == nil {
			*to, err = netip.ParseAddrPort(words[3+i])
		}
	}
	seconds, err2 := strconv.Atoi(words[6])
	if err != nil || err2 != nil {
		return errUsage
	}
	c.Expires = time.Duration(seconds) * time.Second
	s.connections = append(s.connections, c)
	return nil
}

func (s *state) dumpConnections() []string {
	var lines []string
	for _, c := range s.connections {
		protocol := c.Protocol.String()
		if c.Protocol == 0 {
			protocol = "ip"
		}
		lines = append(lines, fmt.Sprintf("conn add %s %s %s %s %s %d",
			protocol, c.State, c.Client, c.Virtual, c.Server, int(c.Expires.Seconds())))
	}
	return lines
}

// runEstablished is "established 10.10.10.22:80 3": so many connections that the host
// itself has open there, 0 for none.
func (s *state) runEstablished(words []string) error {
	if len(words) != 2 {
		return errUsage
	}
	at, err := netip.ParseAddrPort(words[0])
	n, err2 := strconv.Atoi(words[1])
	if err != nil || err2 != nil {
		return errUsage
	}
	all := maps.Clone(s.established)
	if all == nil {
		all = map[netip.AddrPort]int{}
	}
	if all[at] = n; n == 0 {
		delete(all, at)
	}
	s.established = all
	return nil
}

func (s *state) dumpEstablished() []string {
	var lines []string
	for _, at := range slices.SortedFunc(maps.Keys(s.established), netip.AddrPort.Compare) {
		lines = append(lines, fmt.Sprintf("established %s %d", at, s.established[at]))
	}
	return lines
}

// runStat is "stat -t 10.10.10.22:80 -r 10.10.10.31:80 conns=100 inpkts=3200
// active=7 inactive=93": a real server's counters.
func (s *state) runStat(words []string) error {
	if len(words) < 5 {
		return errUsage
	}
	c, err := parseIpvsadm(append([]string{"-e"}, words[:4]...))
	if err != nil {
		return err
	}
	svc := s.findService(c.Service.ID)
	if svc == nil {
		return errNoService
	}
	for i := range svc.destinations {
		d := &svc.destinations[i]
		if d.Addr == c.Destination.Addr && d.Port == c.Destination.Port {
			return setCounters(d, words[4:])
		}
	}
	return errUsage
}

func setCounters(d *ipvs.Destination, words []string) error {
	stats := d.Stats.Values()
	d.Stats = &stats // the one before may be another world's, too
	for _, word := range words {
		name, text, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return err
		}
		switch name {
		case "conns":
			stats.Connections = n
		case "inpkts":
			stats.InPackets = n
		case "active":
			d.Active = uint32(n)
		case "inactive":
			d.Inactive = uint32(n)
		default:
			return errUsage
		}
	}
	return nil
}

func counters(id ipvs.ID, d ipvs.Destination) string {
	stats := d.Stats.Values()
	if stats == (ipvs.Stats{}) && d.Active == 0 && d.Inactive == 0 {
		return ""
	}
	return fmt.Sprintf("stat %s -r %s conns=%d inpkts=%d active=%d inactive=%d", id.Ipvsadm(),
		netip.AddrPortFrom(d.Addr, d.Port), stats.Connections, stats.InPackets, d.Active, d.Inactive)
}

// runArptables is "arptables -A INPUT -d 10.10.10.22 -j DROP" and the same with -D.
func (s *state) runArptables(words []string) error {
	if len(words) != 6 || words[2] != "-d" || words[5] != "DROP" {
		return errUsage
	}
	addr, err := netip.ParseAddr(words[3])
	if err != nil {
		return err
	}
	s.arpDropped = slices.DeleteFunc(s.arpDropped, func(x netip.Addr) bool { return x == addr })
	if words[0] == "-A" {
		s.arpDropped = append(s.arpDropped, addr)
	}
	return nil
}

func (s *state) dumpARPDropped() []string {
	var lines []string
	for _, a := range s.arpDropped {
		lines = append(lines, "arptables -A INPUT -d "+a.String()+" -j DROP")
	}
	return lines
}
