package firewall

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// inputChain is the chain INPUT of the table filter in a listing.
func inputChain(listing string) filter.Chain {
	for _, c := range filter.ParseIptables("iptables-legacy", "-P INPUT ACCEPT\n"+listing).Chains() {
		if c.Table == "filter" && c.Name == "INPUT" {
			return c
		}
	}
	panic("every listing has a policy for INPUT")
}

func TestIptablesCanDrop(t *testing.T) {
	tests := []struct {
		name, listing string
		want          bool
	}{
		{"nothing", "-P INPUT ACCEPT\n", false},
		{"policy", "-P INPUT DROP\n", true},
		{"drop", "-P INPUT ACCEPT\n-A INPUT -p tcp -j DROP\n", true},
		{"invalid", "-P INPUT ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n", true},
		{"reject", "-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n", true},
		{"queue", "-P INPUT ACCEPT\n-A INPUT -j NFQUEUE --queue-num 0\n", true},
		{"jump", "-P INPUT ACCEPT\n-N a\n-N b\n-A INPUT -j a\n-A a -g b\n-A b -j DROP\n", true},
		{"jump by source", "-P INPUT ACCEPT\n-N a\n-A INPUT -s 10.0.0.0/8 -j a\n-A a -p tcp -m tcp --dport 22 -j ACCEPT\n-A a -j DROP\n", true},
		{"bans that are logged", "-P INPUT ACCEPT\n-N a\n-A INPUT -s 192.0.2.0/24 -j a\n-A a -m limit --limit 1/sec -j LOG\n-A a -j DROP\n", false},
		{"banned for the web", "-P INPUT ACCEPT\n-N a\n-A INPUT -m set --match-set bad src -j a\n-A a -p tcp -m tcp --dport 80 -j DROP\n", false},
		{"accepted before", "-P INPUT DROP\n-A INPUT -p tcp -j ACCEPT\n-A INPUT -j ACCEPT\n-A INPUT -j DROP\n", false},
		{"accepted below a rate", "-P INPUT DROP\n-A INPUT -m limit --limit 9/sec -j ACCEPT\n", true},
		{"left for the policy", "-P INPUT DROP\n-A INPUT -p tcp -j RETURN\n-A INPUT -j ACCEPT\n", true},
		{"another protocol", "-P INPUT ACCEPT\n-A INPUT -p icmp -j DROP\n", false},
		{"bytecode", "-P INPUT ACCEPT\n-A INPUT -m bpf --bytecode \"1,6 0 0 0\" -j DROP\n", true},
		{"counting", "-P INPUT ACCEPT\n-A INPUT -p tcp\n-A INPUT -j LOG --log-prefix \"x -j DROP\"\n", false},
		{"empty chain", "-P INPUT ACCEPT\n-N f2b\n-A INPUT -j f2b\n", false},
		{"bans", "-P INPUT ACCEPT\n-N f2b\n-A INPUT -p tcp -j f2b\n-A f2b -s 192.0.2.1/32 -j REJECT\n-A f2b -j RETURN\n", false},
		{"set of bans", "-P INPUT ACCEPT\n-A INPUT -m set --match-set bad src -j DROP\n", false},
		{"all but some", "-P INPUT ACCEPT\n-A INPUT ! -s 10.0.0.0/8 -j DROP\n", true},
		{"set of services", "-P INPUT ACCEPT\n-A INPUT -m set --match-set ports dst -j DROP\n", true},
		{"flood", "-P INPUT ACCEPT\n-A INPUT -m connlimit --connlimit-above 20 -j REJECT\n", false},
		{"our own", "-P INPUT ACCEPT\n-A INPUT -d 10.10.10.22/32 -p tcp -m tcp --dport 80 -m comment --comment lvsdr -j ACCEPT\n", false},
		{"forwarding", "-P INPUT ACCEPT\n-P FORWARD DROP\n-A FORWARD -j DROP\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := inputChain(tt.listing).Closes(); got != tt.want {
				t.Errorf("closes = %v", got)
			}
		})
	}
}

func TestIptablesEdit(t *testing.T) {
	web := host.Opening{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.TCP, Port: 80}
	dns := host.Opening{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.UDP, Port: 53}
	all := host.Opening{VIP: netip.MustParseAddr("fd00::22"), Protocol: cluster.SCTP, Port: 0}
	big, big6 := host.TooBig(web.VIP), host.TooBig(all.VIP)
	const tooBig = "-d 10.10.10.22/32 -p icmp -m icmp --icmp-type 3/4 -m comment --comment lvsdr -j ACCEPT"
	const ours = "-d 10.10.10.22/32 -p tcp -m tcp --dport 80 -m comment --comment lvsdr -j ACCEPT"
	tests := []struct {
		name, listing string
		openings      []host.Opening
		want          string
	}{
		{"at the head", "-A INPUT -j DROP\n", []host.Opening{web}, "-I INPUT 1 " + ours},
		{"before what drops", "-A INPUT -i lo -j ACCEPT\n-A INPUT -s 192.0.2.1/32 -j DROP\n-A INPUT -j DROP\n", []host.Opening{web}, "-I INPUT 3 " + ours},
		{"before what is left for the policy", "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j RETURN\n", []host.Opening{web}, "-I INPUT 2 " + ours},
		{"somebody's with our comment", "-P INPUT DROP\n-A INPUT -m comment --comment lvsdr -j LOG\n", []host.Opening{web}, "-I INPUT 2 " + ours},
		{"at the end", "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n", []host.Opening{web}, "-I INPUT 2 " + ours},
		{"another", "-A INPUT " + ours + "\n-A INPUT -j DROP\n", []host.Opening{web, dns},
			"-I INPUT 2 -d 10.10.10.22/32 -p udp -m udp --dport 53 -m comment --comment lvsdr -j ACCEPT"},
		{"every port", "-A INPUT -j DROP\n", []host.Opening{all}, "-I INPUT 1 -d fd00::22/128 -p sctp -m comment --comment lvsdr -j ACCEPT"},
		{"none", "-A INPUT " + ours + "\n-A INPUT -j DROP\n", nil, "-D INPUT " + ours},
		{"moved", "-A INPUT -j DROP\n-A INPUT " + ours + "\n", []host.Opening{web}, "-D INPUT " + ours + "\n-I INPUT 1 " + ours},
		{"twice", "-A INPUT " + ours + "\n-A INPUT " + ours + "\n", nil, "-D INPUT " + ours + "\n-D INPUT " + ours},
		{"what routers say", "-P INPUT DROP\n-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n", []host.Opening{big, web}, "-I INPUT 2 " + tooBig + "\n-I INPUT 3 " + ours},
		{"what routers say in IPv6", "-A INPUT -j DROP\n", []host.Opening{big6}, "-I INPUT 1 -d fd00::22/128 -p ipv6-icmp -m icmp6 --icmpv6-type 2 -m comment --comment lvsdr -j ACCEPT"},
		{"what routers say, dropped first", "-A INPUT -i lo -j ACCEPT\n-A INPUT -p icmp -j DROP\n-A INPUT -s 192.0.2.1/32 -j DROP\n-A INPUT -j DROP\n", []host.Opening{big, web},
			"-I INPUT 4 " + ours + "\n-I INPUT 2 " + tooBig},
		{"what routers say, dropped last", "-A INPUT " + ours + "\n-A INPUT -p tcp -j DROP\n-A INPUT " + tooBig + "\n-A INPUT -p icmp -j DROP\n", []host.Opening{big, web}, ""},
		{"what routers say, behind a drop", "-A INPUT " + ours + "\n-A INPUT -j DROP\n-A INPUT " + tooBig + "\n", nil, "-D INPUT " + ours + "\n-D INPUT " + tooBig},
		{"as it is", "-A INPUT " + ours + "\n-A INPUT -j DROP\n", []host.Opening{web}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := iptablesEdit(inputChain(tt.listing), tt.openings)
			got = strings.TrimSuffix(strings.TrimPrefix(got, "*filter\n"), "\nCOMMIT\n")
			if got != tt.want {
				t.Errorf("edit:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// FuzzIptablesRules: whatever is listed, an edit of it is no reason to panic, and
// what was added is read back.
func FuzzIptablesRules(f *testing.F) {
	f.Add("-P INPUT DROP\n-N a\n-A INPUT -m set --match-set\n-A INPUT -j a\n")
	f.Add("-A INPUT -j INPUT\n-A INPUT -j a\n-A a -j INPUT")
	f.Add("-A INPUT -j \"\n-A INPUT --comment lvsdr")
	f.Fuzz(func(t *testing.T, listing string) {
		iptablesEdit(inputChain(listing), nil)
		want := host.Opening{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.TCP, Port: 80}
		added := inputChain("-A INPUT " + iptablesOpening(want) + "\n")
		if got := placeIn(added, iptablesOpenings).openings; !slices.Equal(got, []host.Opening{want}) {
			t.Errorf("read back %v", got)
		}
	})
}
