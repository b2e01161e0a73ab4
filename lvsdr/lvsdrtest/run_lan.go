package lvsdrtest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// runLAN makes the other hosts of the LAN:
//
//	lan add MAC ADDR                       answers ARP for the address
//	lan del MAC ADDR                       no longer
//	lan answer MAC ADDR:PORT OUTCOME [from MAC,...] [mss N]
//	                                       of a packet to that address at that MAC; port 0: an echo request
//	lan claim MAC ADDR [TARGET]            says to have the address, asking for the target
//	lan advert MAC FROM ID PRIORITY [interval D] [version N] [password TEXT] [addresses ADDR,...]
//	                                       advertises by VRRP, every second by version 2 when nothing else is said
//	lan page ADDR:PORT SMALL LARGE         bytes that HTTP brings, in small segments and in large ones; fewer in large ones: it stalls
func (s *state) runLAN(words []string) error {
	if len(words) < 3 {
		return errUsage
	}
	if words[0] == "page" {
		return s.runPage(words[1:])
	}
	mac, err := net.ParseMAC(words[1])
	if err != nil {
		return err
	}
	switch words[0] {
	case "add", "del":
		addr, err := netip.ParseAddr(words[2])
		n := station{mac, addr}
		s.stations = slices.DeleteFunc(s.stations, func(x station) bool { return x.text() == n.text() })
		if words[0] == "add" && err == nil {
			s.stations = append(s.stations, n)
		}
		return err
	case "answer":
		return s.runAnswer(mac, words[2:])
	case "advert":
		return s.runAdvert(mac, words[2:])
	case "claim":
		c := probe.Claim{MAC: mac}
		c.Addr, err = netip.ParseAddr(words[2])
		c.Target = c.Addr
		if len(words) > 3 && err == nil {
			c.Target, err = netip.ParseAddr(words[3])
		}
		s.claims = append(s.claims, c)
		return err
	}
	return errUsage
}

func (s *state) runAnswer(mac net.HardwareAddr, words []string) error {
	if len(words) < 2 || len(words)%2 != 0 {
		return errUsage
	}
	a := answer{mac: mac, outcome: probe.Outcome(words[1])}
	var err error
	if a.to, err = netip.ParseAddrPort(words[0]); err != nil {
		return err
	}
	for more := words[2:]; len(more) > 0; more = more[2:] {
		if err := a.more(more[0], more[1]); err != nil {
			return err
		}
	}
	s.answers = slices.DeleteFunc(s.answers, func(x answer) bool { return x.mac.String() == mac.String() && x.to == a.to })
	s.answers = append(s.answers, a)
	return nil
}

// more reads what follows the outcome.
func (a *answer) more(word, value string) error {
	switch word {
	case "from":
		for _, text := range strings.Split(value, ",") {
			from, err := net.ParseMAC(text)
			if err != nil {
				return err
			}
			a.from = append(a.from, from)
		}
		return nil
	case "mss":
		n, err := strconv.ParseUint(value, 10, 16)
		a.mss = uint16(n)
		return err
	}
	return errUsage
}

func (s *state) runAdvert(mac net.HardwareAddr, words []string) (err error) {
	if len(words) < 3 || len(words)%2 == 0 {
		return errUsage
	}
	a := probe.Advert{MAC: mac, Version: 2, Interval: time.Second}
	var errs [3]error
	a.From, errs[0] = netip.ParseAddr(words[0])
	a.RouterID, errs[1] = strconv.Atoi(words[1])
	a.Priority, errs[2] = strconv.Atoi(words[2])
	for more := words[3:]; len(more) > 0 && err == nil; more = more[2:] {
		err = advertised(&a, more[0], more[1])
	}
	s.adverts = append(s.adverts, a)
	return errors.Join(append(errs[:], err)...)
}

// advertised reads what follows the priority.
func advertised(a *probe.Advert, word, value string) (err error) {
	switch word {
	case "interval":
		a.Interval, err = time.ParseDuration(value)
	case "version":
		a.Version, err = strconv.Atoi(value)
	case "password":
		a.Password = value
	case "addresses":
		for _, text := range strings.Split(value, ",") {
			addr, wrong := netip.ParseAddr(text)
			a.Addresses, err = append(a.Addresses, addr), errors.Join(err, wrong)
		}
	default:
		err = errUsage
	}
	return err
}

func dumpAdvert(a probe.Advert) string {
	line := fmt.Sprintf("lan advert %s %s %d %d interval %s version %d", a.MAC, a.From, a.RouterID, a.Priority, a.Interval, a.Version)
	if a.Password != "" {
		line += " password " + a.Password
	}
	for i, addr := range a.Addresses {
		line += []string{" addresses ", ","}[min(i, 1)] + addr.String()
	}
	return line
}

func (s *state) runPage(words []string) error {
	if len(words) != 3 {
		return errUsage
	}
	from, err := netip.ParseAddrPort(words[0])
	small, err2 := strconv.ParseInt(words[1], 10, 64)
	large, err3 := strconv.ParseInt(words[2], 10, 64)
	if err != nil || err2 != nil || err3 != nil {
		return errUsage
	}
	s.pages = append(s.pages, page{from, small, large})
	return nil
}

func (n station) text() string { return n.mac.String() + " " + n.addr.String() }

func (s *state) dumpLAN() []string {
	var lines []string
	for _, n := range s.stations {
		lines = append(lines, "lan add "+n.text())
	}
	for _, a := range s.answers {
		line := fmt.Sprintf("lan answer %s %s %s", a.mac, a.to, a.outcome)
		for i, mac := range a.from {
			line += []string{" from ", ","}[min(i, 1)] + mac.String()
		}
		if a.mss > 0 {
			line += fmt.Sprintf(" mss %d", a.mss)
		}
		lines = append(lines, line)
	}
	for _, c := range s.claims {
		lines = append(lines, fmt.Sprintf("lan claim %s %s %s", c.MAC, c.Addr, c.Target))
	}
	for _, a := range s.adverts {
		lines = append(lines, dumpAdvert(a))
	}
	for _, p := range s.pages {
		lines = append(lines, fmt.Sprintf("lan page %s %d %d", p.from, p.small, p.large))
	}
	return lines
}
