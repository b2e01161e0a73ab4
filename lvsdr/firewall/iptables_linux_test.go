package firewall_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// needIptables skips without the commands of the variant and a kernel for them.
func needIptables(t *testing.T, variant string) (v4, v6 string) {
	t.Helper()
	v4, v6 = "iptables-"+variant, "ip6tables-"+variant
	t.Setenv("XTABLES_LOCKFILE", filepath.Join(t.TempDir(), "lock")) // not the machine's
	feature := map[string]string{"legacy": "iptables", "nft": "nft"}[variant]
	fwTool(t, v4, feature)
	fwTool(t, v6, feature)
	h := newFwHost(t)
	for _, command := range []string{v4, v6} {
		var err error
		h.do(func() {
			_, err = filter.RunTool(context.Background(), "", command, "-A", "INPUT", "-m", "comment", "--comment", "x", "-j", "ACCEPT")
		})
		if err != nil {
			fwMissing(t, feature, "this kernel has no "+command+": "+err.Error())
		}
	}
	return v4, v6
}

func TestIptablesOpensForTraffic(t *testing.T) {
	for _, variant := range []string{"legacy", "nft"} {
		t.Run(variant, func(t *testing.T) { testIptables(t, variant) })
	}
}

func testIptables(t *testing.T, variant string) {
	v4, v6 := needIptables(t, variant)
	box, client := fwLAN(t)
	box.listen(":80")
	for _, line := range []string{
		"IPT -P INPUT DROP", "IPT -N web", "IPT -A web -j LOG", "IPT -A web -j DROP",
		"IPT -A INPUT -i lo -m comment --comment 'a -j DROP \"of\" none' -j ACCEPT", "IPT -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
		"IPT -A INPUT -m conntrack --ctstate INVALID -j DROP", "IPT -A INPUT -p tcp -j web", "IPT -A OUTPUT -p icmp -j ACCEPT",
	} {
		box.sh(strings.Replace(line, "IPT", v4, 1))
	}
	box.sh(v6 + " -A INPUT -p tcp -j REJECT --reject-with tcp-reset")
	state := func() string { return box.sh(v4 + " -S; " + v6 + " -S") }
	before := state()
	client.wantClosed("10.10.10.22:80")
	client.wantClosed("[fd00::22]:80")

	step := step.RealServerPorts(web("10.10.10.22", "fd00::22"))
	got := changeLines(box.up(step))
	want := []string{
		"add fragmentation-needed 10.10.10.22 in iptables " + variant + " ip INPUT: accept",
		"add tcp 10.10.10.22:80 in iptables " + variant + " ip INPUT: accept",
		"add tcp [fd00::22]:80 in iptables " + variant + " ip6 INPUT: accept",
	}
	if !slices.Equal(got, want) {
		t.Errorf("made %q\nwant %q", got, want)
	}
	client.wantOpen("10.10.10.22:80")
	client.wantOpen("[fd00::22]:80")
	client.wantClosed("10.10.10.30:80")
	if rules := box.sh(v4 + " -S INPUT"); !inOrder(rules, "ESTABLISHED", "lvsdr", "INVALID", "web") {
		t.Errorf("order of rules:\n%s", rules)
	}
	open := state()
	if again := box.up(step); len(again) != 0 || state() != open {
		t.Errorf("second time: %q", changeLines(again))
	}
	moreAndLess(t, box, v4)
	box.down(step)
	if after := state(); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}

// moreAndLess changes the openings, and has somebody else put a rule first.
func moreAndLess(t *testing.T, box *fwHost, v4 string) {
	t.Helper()
	c := web("10.10.10.22")
	c.Services[0].Ports = []cluster.Port{{Number: 80, Protocol: cluster.TCP}, {Number: 53, Protocol: cluster.UDP}, {Number: 0, Protocol: cluster.TCP}}
	for _, change := range box.up(step.RealServerPorts(c)) {
		t.Log(change)
	}
	c.Services[0].Ports = c.Services[0].Ports[1:]
	box.sh(v4 + " -I INPUT -p udp -j DROP")
	box.up(step.RealServerPorts(c))
	if rules := box.sh(v4 + " -S INPUT"); !inOrder(rules, "--dport 53", "-p udp -j DROP", "INVALID") || strings.Contains(rules, "--dport 80") {
		t.Errorf("rules:\n%s", rules)
	}
	box.sh(v4 + " -D INPUT -p udp -j DROP")
}

// Looking must not bring the legacy tables into being.
func TestIptablesIsNotLoadedByLooking(t *testing.T) {
	box := newFwHost(t)
	if made := box.up(step.DirectorPorts(web("10.10.10.22", "fd00::22"))); len(made) != 0 {
		t.Errorf("made %q", changeLines(made))
	}
	for _, family := range []string{"ip", "ip6"} {
		if used, err := func() (used bool, err error) {
			box.do(func() { used, err = firewall.LegacyFilter(family) })
			return
		}(); used || err != nil {
			t.Errorf("%stables is in use: %v", family, err)
		}
	}
}

func TestIptablesDirectorOutput(t *testing.T) {
	v4, _ := needIptables(t, "legacy")
	box, client := fwLAN(t)
	client.listen("10.10.10.99:80")
	box.sh(v4 + " -P OUTPUT DROP")
	before := box.sh(v4 + " -S")
	c := web("10.10.10.99")
	if made := box.up(step.RealServerPorts(c)); len(made) != 0 {
		t.Errorf("a real server's: %q", changeLines(made))
	}
	box.wantClosed("10.10.10.99:80")
	box.up(step.DirectorPorts(c))
	box.wantOpen("10.10.10.99:80")
	box.down(step.DirectorPorts(c))
	if after := box.sh(v4 + " -S"); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}

func TestIptablesThousandServices(t *testing.T) {
	v4, _ := needIptables(t, "legacy")
	box := newFwHost(t)
	box.sh(v4 + " -P INPUT DROP")
	before := box.sh(v4 + " -S")
	var c cluster.Config
	for i := range 1000 {
		c.Services = append(c.Services, cluster.Service{
			VIP: netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)}), Ports: []cluster.Port{{Number: 80, Protocol: cluster.TCP}},
		})
	}
	box.up(step.RealServerPorts(c))
	if n := strings.Count(box.sh(v4+" -S"), "lvsdr"); n != 2*1000 { // and what routers say
		t.Errorf("%d rules", n)
	}
	box.down(step.RealServerPorts(c))
	if after := box.sh(v4 + " -S"); after != before {
		t.Errorf("teardown left %s", after)
	}
}

// A rule of nftables' own in a chain that is called like iptables' is handled by
// nftables, one that iptables wrote by iptables.
func TestNftLeavesIptablesItsChains(t *testing.T) {
	needNft(t)
	v4, _ := needIptables(t, "nft")
	for _, ours := range []bool{false, true} {
		t.Run(fmt.Sprint(ours), func(t *testing.T) {
			box := newFwHost(t)
			want := "add tcp 10.10.10.22:80 in iptables nft ip INPUT: accept"
			if ours {
				box.nft("table ip filter {\nchain INPUT {\ntype filter hook input priority 0; policy drop;\ntcp dport { 22, 25 } accept\n}\n}\n")
				want = "add tcp 10.10.10.22:80 in nftables ip filter INPUT: accept"
			} else {
				box.sh(v4 + " -P INPUT DROP; " + v4 + " -A INPUT -m conntrack --ctstate INVALID -j DROP")
			}
			before := box.ruleset()
			step := step.DirectorPorts(web("10.10.10.22"))
			got := changeLines(box.up(step))
			wants := []string{strings.Replace(want, "tcp 10.10.10.22:80", "fragmentation-needed 10.10.10.22", 1), want,
				"add fragmentation-needed 10.10.10.22 in nftables inet lvsdr prerouting: notrack",
				"add tcp 10.10.10.22:80 in nftables inet lvsdr prerouting: notrack"}
			if !slices.Equal(got, wants) {
				t.Errorf("made %q, want %q", got, wants)
			}
			box.down(step)
			if after := box.ruleset(); after != before {
				t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
			}
		})
	}
}
