package firewall

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

var openings = []host.Opening{
	{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.TCP, Port: 80},
	{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.UDP},
	{VIP: netip.MustParseAddr("fd00::22"), Protocol: cluster.SCTP, Port: 2905},
	host.TooBig(netip.MustParseAddr("10.10.10.22")),
	host.TooBig(netip.MustParseAddr("fd00::22")),
}

func TestRichRule(t *testing.T) {
	for i, want := range []string{
		`rule priority="76" family="ipv4" destination address="10.10.10.22" port port="80" protocol="tcp" accept`,
		`rule priority="76" family="ipv4" destination address="10.10.10.22" protocol value="udp" accept`,
		`rule priority="76" family="ipv6" destination address="fd00::22" port port="2905" protocol="sctp" accept`,
		`rule priority="76" family="ipv4" destination address="10.10.10.22" icmp-type name="fragmentation-needed" accept`,
		`rule priority="76" family="ipv6" destination address="fd00::22" icmp-type name="packet-too-big" accept`,
	} {
		if got := richRule(openings[i]); got != want {
			t.Errorf("%v: %s", openings[i], got)
		}
		if o, ok := parseRichRule(want); !ok || o != openings[i] {
			t.Errorf("%s: %v, %v", want, o, ok)
		}
	}
}

// What others have written, or changed, is theirs.
func TestRichRuleOfOthers(t *testing.T) {
	for _, text := range []string{
		`rule family="ipv4" destination address="10.10.10.22" port port="80" protocol="tcp" accept`,
		`rule priority="76" family="ipv4" destination address="10.10.10.22" port port="80-90" protocol="tcp" accept`,
		`rule priority="76" family="ipv4" source address="10.0.0.1" destination address="10.10.10.22" port port="80" protocol="tcp" accept`,
		`rule priority="76" family="ipv4" destination address="10.10.10.22" port port="80" protocol="tcp" reject`,
		`rule priority="76" family="ipv4" destination address="10.10.10.0/24x" protocol value="tcp" accept`,
		`rule priority="76" family="ipv4" destination address="10.10.10.22" protocol value="ah" accept`,
		`rule priority="76" family="ipv4" destination address="10.10.10.22" icmp-type name="packet-too-big" accept`,
	} {
		if o, ok := parseRichRule(text); ok {
			t.Errorf("%s: %v", text, o)
		}
	}
}

func TestParseUfw(t *testing.T) {
	for line, want := range map[string]host.Opening{
		"ufw allow to 10.10.10.22 port 80 proto tcp comment 'lvsdr'": openings[0],
		"ufw allow to 10.10.10.22 proto udp comment 'lvsdr'":         openings[1],
	} {
		if o, ok := parseUfw(line); !ok || o != want {
			t.Errorf("%s: %v, %v", line, o, ok)
		}
	}
	for _, line := range []string{
		"Added user rules (see 'ufw status' for running firewall):", "", "ufw allow 22/tcp",
		"ufw allow to 10.10.10.22 port 80 proto tcp", "ufw allow to 10.10.10.22 port 80 proto tcp comment 'web'",
		"ufw deny to 10.10.10.22 port 80 proto tcp comment 'lvsdr'", "ufw limit to 10.10.10.22 port 80 proto tcp comment 'lvsdr'",
		"ufw allow from 10.0.0.1 to 10.10.10.22 port 80 proto tcp comment 'lvsdr'",
		"ufw allow in on eth0 to 10.10.10.22 port 80 proto tcp comment 'lvsdr'",
	} {
		if o, ok := parseUfw(line); ok {
			t.Errorf("%s: %v", line, o)
		}
	}
}

func TestOurNames(t *testing.T) {
	for n, want := range []string{1: "lvsdr", 2: "lvsdr-2", 12: "lvsdr-12"} {
		if want != "" && (ourName(n) != want || !isOurName(want)) {
			t.Errorf("%d: %s, %v", n, ourName(n), isOurName(want))
		}
	}
	for _, name := range []string{"lvsdr-", "lvsdr-1", "lvsdr-x", "lvsdr2", "http"} {
		if isOurName(name) {
			t.Errorf("%s is ours", name)
		}
	}
}

// A chain is a manager's by the chains of it that it goes to.
func TestKeeperOf(t *testing.T) {
	input := func(command, rules string) filter.Chain { return filter.ParseIptables(command, rules).Chains()[0] }
	for want, chains := range map[string][]filter.Chain{
		"ufw": {
			input("iptables-nft", "-A INPUT -i lo -j ACCEPT\n-A INPUT -j ufw-before-input\n"),
			input("ip6tables-legacy", "-A INPUT -j ufw6-before-input\n"),
		},
		"firewalld": {
			{Tool: filter.ByNftables, Family: "inet", Table: "firewalld", Name: "filter_INPUT"},
			input("iptables-legacy", "-A INPUT -j INPUT_ZONES\n"),
		},
		"": {
			{Tool: filter.ByNftables, Family: "inet", Table: "filter", Name: "input"},
			input("iptables-legacy", "-A INPUT -j web\n-A INPUT -j DROP\n"),
		},
	} {
		for _, c := range chains {
			if got := keeperOf(c); got != want {
				t.Errorf("%s %s: %q, want %q", c.Tool, c.Name, got, want)
			}
		}
	}
}

func TestByVIP(t *testing.T) {
	got := byVIP([]host.Opening{openings[2], openings[1], openings[0], openings[0]})
	if len(got) != 2 || !slices.Equal(got[0], openings[:2]) || !slices.Equal(got[1], openings[2:3]) {
		t.Errorf("%v", got)
	}
}
