package lvsdrtest

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// runNft knows base chains of a family, table and name, and rules in them.
func (s *state) runNft(words []string) error {
	if len(words) < 6 {
		return errUsage
	}
	f, name := s.firewalls[0], strings.Join(words[2:5], " ")
	rest := strings.Join(words[5:], " ")
	switch words[0] + " " + words[1] {
	case "add chain":
		g := f.gate(name, strings.TrimPrefix(words[2], "inet"), strings.Contains(rest, "hook output"))
		declared := strings.TrimSpace(strings.Trim(rest, "{}"))
		hook, policy, _ := strings.Cut(declared, " policy ")
		g.hook, g.policy = hook, strings.Trim(policy, "; ")
		return nil
	case "add rule", "insert rule":
		ours := strings.HasSuffix(rest, `comment "lvsdr"`)
		return f.addRule(name, "nft "+strings.Join(words, " "), words[5:], ours, words[0] == "insert")
	}
	return errUsage
}

// runIptables knows policies and rules of the filter table's INPUT and OUTPUT.
func (s *state) runIptables(words []string) error {
	if len(words) < 4 || words[2] != "INPUT" && words[2] != "OUTPUT" {
		return errUsage
	}
	f, family := s.firewalls[1], strings.TrimSuffix(words[0], "tables")
	f.gate("legacy "+family+" INPUT", family, false)
	f.gate("legacy "+family+" OUTPUT", family, true)
	name := "legacy " + family + " " + words[2]
	switch words[1] {
	case "-P":
		f.find(name).policy = strings.ToLower(words[3])
		return nil
	case "-A", "-I":
		line := strings.Join(words, " ")
		return f.addRule(name, line, words[3:], strings.Contains(line, "--comment lvsdr"), words[1] == "-I")
	}
	return errUsage
}

// addRule keeps somebody else's rule as it is, and understands lvsdr's.
func (f *firewall) addRule(name, line string, words []string, ours, first bool) error {
	g := f.find(name)
	if g == nil && name != trackingGate {
		return errUsage
	}
	if !ours {
		if first {
			g.insertRule(line)
			return nil
		}
		g.rules = append(g.rules, line)
		return nil
	}
	o, err := parseOpening(words)
	if err != nil {
		return err
	}
	if g == nil {
		return f.Set(context.Background(), name, append(f.untracked, o))
	}
	g.openings = append([]host.Opening{o}, g.openings...)
	return nil
}

// parseOpening reads the rules that Dump writes for openings.
func parseOpening(words []string) (o host.Opening, err error) {
	for i, word := range words[:len(words)-1] {
		next := words[i+1]
		switch word {
		case "-d", "daddr":
			o.VIP, err = netip.ParseAddr(next)
		case "--icmp-type", "--icmpv6-type", "icmp", "icmpv6":
			return host.TooBig(o.VIP), nil
		case "-p", "l4proto":
			if next == "icmp" || next == "ipv6-icmp" {
				continue // the type says it
			}
			o.Protocol, err = host.ParseProtocol(next)
		case "tcp", "udp", "sctp":
			o.Protocol, err = ipvs.ParseProtocol(word)
		case "--dport", "dport":
			var n uint64
			n, err = strconv.ParseUint(next, 10, 16)
			o.Port = uint16(n)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}
