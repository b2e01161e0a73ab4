package lvsdrtest

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// runIpvsadm carries out one line of ipvsadm.
func (s *state) runIpvsadm(words []string) error {
	switch words[0] {
	case "--set":
		return s.runTimeouts(words[1:])
	case "--start-daemon", "--stop-daemon":
		return s.runDaemon(words)
	case "-C":
		s.services = nil
		return nil
	}
	c, err := parseIpvsadm(words)
	if err != nil {
		return err
	}
	_, err = s.applyIPVS([]ipvs.Command{c})
	return err
}

func (s *state) runTimeouts(words []string) error {
	if len(words) != 3 {
		return errUsage
	}
	var seconds [3]time.Duration
	for i, word := range words {
		n, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		seconds[i] = time.Duration(n) * time.Second
	}
	return s.setIPVSTimeouts(ipvs.Timeouts{TCP: seconds[0], TCPFin: seconds[1], UDP: seconds[2]})
}

// ipvsOps are ipvsadm's commands.
var ipvsOps = map[string]ipvs.Op{
	"-A": ipvs.AddService, "-E": ipvs.SetService, "-D": ipvs.RemoveService,
	"-a": ipvs.AddDestination, "-e": ipvs.SetDestination, "-d": ipvs.RemoveDestination,
}

// parseIpvsadm reads a line as "ipvsadm -S -n" writes it. Defaults are ipvsadm's.
func parseIpvsadm(words []string) (ipvs.Command, error) {
	p := ipvsParser{
		service:     ipvs.Service{Scheduler: "wlc"},
		destination: ipvs.Destination{Weight: 1, Forwarding: ipvs.DirectRoute},
	}
	op, ok := ipvsOps[words[0]]
	if !ok {
		return ipvs.Command{}, errUsage
	}
	for words = words[1:]; len(words) > 0; {
		word := words[0]
		words = words[1:]
		if p.flag(word) {
			continue
		}
		if len(words) == 0 {
			return ipvs.Command{}, fmt.Errorf("%s needs a value: %w", word, errUsage)
		}
		if err := p.option(word, words[0]); err != nil {
			return ipvs.Command{}, err
		}
		words = words[1:]
	}
	p.defaults()
	return ipvs.Command{Op: op, Service: &p.service, Destination: &p.destination}, nil
}

type ipvsParser struct {
	service     ipvs.Service
	destination ipvs.Destination
	flags       string
}

func (p *ipvsParser) flag(word string) bool {
	switch word {
	case "-g":
		p.destination.Forwarding = ipvs.DirectRoute
	case "-i":
		p.destination.Forwarding = ipvs.Tunnel
	case "-m":
		p.destination.Forwarding = ipvs.Masquerade
	case "-o":
		p.service.Flags |= ipvs.OnePacket
	case "-6":
		p.service.Addr = netip.IPv6Unspecified()
	default:
		return false
	}
	return true
}

func (p *ipvsParser) option(word, value string) (err error) {
	number := func() uint32 {
		n, e := strconv.ParseUint(value, 10, 32)
		if e != nil {
			err = e
		}
		return uint32(n)
	}
	switch word {
	case "-t", "-u", "--sctp-service":
		err = p.address(word, value)
	case "-f":
		p.service.FWMark = number()
		if !p.service.Addr.IsValid() {
			p.service.Addr = netip.IPv4Unspecified()
		}
	case "-s":
		p.service.Scheduler = value
	case "-p":
		p.service.Flags |= ipvs.Persistent
		p.service.Persistence = time.Duration(number()) * time.Second
	case "-M":
		p.service.Netmask, err = parseNetmask(value)
	case "--pe":
		p.service.PE = value
	case "-b":
		p.flags = value
	case "-r":
		var to netip.AddrPort
		to, err = netip.ParseAddrPort(value)
		p.destination.Addr, p.destination.Port = to.Addr(), to.Port()
	case "-w":
		p.destination.Weight = int32(number())
	case "-x":
		p.destination.UpperThreshold = number()
	case "-y":
		p.destination.LowerThreshold = number()
	default:
		return fmt.Errorf("%s: %w", word, errUsage)
	}
	return err
}

func (p *ipvsParser) address(word, value string) error {
	at, err := netip.ParseAddrPort(value)
	p.service.Addr, p.service.Port = at.Addr(), at.Port()
	p.service.Protocol = map[string]ipvs.Protocol{"-t": ipvs.TCP, "-u": ipvs.UDP, "--sctp-service": ipvs.SCTP}[word]
	return err
}

// defaults fills in what depends on other options.
func (p *ipvsParser) defaults() {
	if p.service.Netmask == 0 {
		p.service.Netmask = p.service.Addr.BitLen()
	}
	for _, name := range strings.Split(p.flags, ",") {
		at := slices.Index(ipvs.SchedulerFlags(p.service.Scheduler), name)
		if n, ok := strings.CutPrefix(name, "flag-"); ok {
			at, _ = strconv.Atoi(n)
			at--
		}
		if at >= 0 {
			p.service.Flags |= ipvs.Sched1 << at
		}
	}
}

// parseNetmask reads 255.255.255.0 or, for IPv6, a prefix length.
func parseNetmask(value string) (int, error) {
	if !strings.Contains(value, ".") {
		return strconv.Atoi(value)
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return 0, err
	}
	ones := 0
	for _, b := range addr.As4() {
		ones += bits.OnesCount8(b)
	}
	return ones, nil
}
