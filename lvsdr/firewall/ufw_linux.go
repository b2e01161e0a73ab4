package firewall

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ufw is the manager of that name, through its command (ufw(8)): a rule is in force at
// once, and on disk. Its one gate is its rules for what comes in.
type ufw struct {
	run func(ctx context.Context, input string, name string, args ...string) ([]byte, error)
}

const ufwGate = "in"

func (ufw) Name() string { return ufwName }

// Gates is the one when ufw is enabled, or has rules of ours.
func (u ufw) Gates(ctx context.Context) ([]host.Gate, error) {
	if filter.Tool(ufwName) == "" {
		return nil, nil
	}
	rules, err := filter.Load(ctx)
	if err != nil {
		return nil, err
	}
	active := keeps(rules, ufwName)
	if !active && !ufwHasOurs() {
		return nil, nil
	}
	openings, err := u.openings(ctx)
	if err != nil {
		return nil, err
	}
	return []host.Gate{{
		Name: ufwGate, Filters: active, Stopped: !active, Lasts: true, Openings: openings,
		// It knows no ports of SCTP, and VRRP from its version 0.36.2 on alone.
		Unable: []cluster.Protocol{cluster.SCTP, host.VRRPProtocol},
		// Its own rules let in what routers say (before.rules), and that alone of ICMP
		// could be told by its command.
		Admits: []cluster.Protocol{host.ICMP, host.ICMPv6},
	}}, nil
}

// ufwHasOurs tells whether a file of ufw's may hold a rule of ours, whose comment is
// written there as hexadecimal digits: its command takes a while to say so.
func ufwHasOurs() bool {
	for _, name := range []string{"/etc/ufw/user.rules", "/etc/ufw/user6.rules"} {
		text, err := os.ReadFile(name)
		if err == nil && bytes.Contains(text, fmt.Appendf(nil, "comment=%x", firewallMark)) {
			return true
		}
	}
	return false
}

// openings are those of our rules.
func (u ufw) openings(ctx context.Context) ([]host.Opening, error) {
	out, err := u.run(ctx, "", ufwName, "show", "added")
	if err != nil {
		return nil, err
	}
	var all []host.Opening
	for line := range strings.Lines(string(out)) {
		if o, ok := parseUfw(strings.TrimSpace(line)); ok {
			all = append(all, o)
		}
	}
	return host.SortOpenings(all), nil
}

// parseUfw reads a line of "ufw show added" that is ours:
// "ufw allow to 10.10.10.22 port 80 proto tcp comment 'lvsdr'".
func parseUfw(line string) (o host.Opening, ok bool) {
	words := strings.Fields(line)
	if len(words) < 2 || !slices.Equal(words[:2], []string{ufwName, "allow"}) || len(words)%2 != 0 {
		return o, false
	}
	options := map[string]string{}
	for i := 2; i+1 < len(words); i += 2 {
		options[words[i]] = words[i+1]
	}
	for name := range options {
		if !slices.Contains([]string{"to", "port", "proto", "comment"}, name) {
			return o, false
		}
	}
	vip, err := netip.ParseAddr(options["to"])
	if err != nil || strings.Trim(options["comment"], "'") != firewallMark {
		return o, false
	}
	return openingOf(vip, options["port"], options["proto"])
}

// Set adds what is missing before it deletes what is not wanted, each by the same
// words.
func (u ufw) Set(ctx context.Context, _ string, openings []host.Opening) error {
	has, err := u.openings(ctx)
	if err != nil {
		return err
	}
	for _, o := range openings {
		if slices.Contains(has, o) {
			continue
		}
		if _, err := u.run(ctx, "", ufwName, ufwRule(o)...); err != nil {
			return err
		}
	}
	for _, o := range has {
		if slices.Contains(openings, o) {
			continue
		}
		if _, err := u.run(ctx, "", ufwName, append([]string{"--force", "delete"}, ufwRule(o)...)...); err != nil {
			return err
		}
	}
	return nil
}

// ufwRule is the opening in ufw's words.
func ufwRule(o host.Opening) []string {
	words := []string{"allow", "proto", o.Protocol.String(), "to", o.VIP.String()}
	if o.Port != 0 {
		words = append(words, "port", strconv.Itoa(int(o.Port)))
	}
	return append(words, "comment", firewallMark)
}
