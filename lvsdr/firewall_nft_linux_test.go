package lvsdr

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// needNft skips without nft and a kernel with tables of family inet.
func needNft(t *testing.T) {
	t.Helper()
	fwTool(t, "nft", "nft")
	h := newFwHost(t)
	var err error
	h.do(func() { _, err = filter.RunTool(context.Background(), "", "nft", "add table inet probe") })
	if err != nil {
		fwMissing(t, "nft", "no nftables in this kernel: "+err.Error())
	}
}

// up and down apply the step alone.
func (h *fwHost) up(s Step) []Change { return h.apply(s, Present) }

func (h *fwHost) down(s Step) []Change { return h.apply(s, Absent) }

func (h *fwHost) apply(s Step, want State) []Change {
	h.t.Helper()
	var made []Change
	var err error
	h.do(func() {
		r := Role{Name: DirectorRole, Steps: []Step{s}}
		made, err = r.apply(context.Background(), &Host{Firewalls: localFirewalls(), Files: OSFiles{Root: h.root}}, want)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return made
}

func web(vips ...string) Config {
	var c Config
	for _, vip := range vips {
		c.Services = append(c.Services, Service{VIP: netip.MustParseAddr(vip), Ports: []Port{{80, TCP}}})
	}
	return c
}

const strictRules = `
table inet filter {
	set bad { type ipv4_addr; elements = { 10.10.10.98 } }
	chain services {
		tcp dport 22 accept
		reject
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ip saddr @bad drop
		ct state invalid drop
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 22 accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
table inet second {
	chain in {
		type filter hook input priority 10; policy accept;
		tcp dport 80 jump deny
	}
	chain deny {
		counter packets 0 bytes 0
		drop
	}
	chain out {
		type filter hook output priority filter; policy accept;
		meta mark 0x1 counter packets 0 bytes 0
	}
}
table ip raw {
	chain pre {
		type filter hook prerouting priority raw; policy accept;
		ip saddr 192.0.2.0/24 drop
	}
}
`

func TestNftOpensForTraffic(t *testing.T) {
	needNft(t)
	host, client := fwLAN(t)
	host.listen(":80")
	client.wantOpen("10.10.10.22:80")
	host.nft(strictRules)
	before := host.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'")
	client.wantClosed("10.10.10.22:80")
	client.wantClosed("[fd00::22]:80")

	step := RealServerPorts(web("10.10.10.22", "fd00::22"))
	got := changeLines(host.up(step))
	want := []string{
		"add tcp 10.10.10.22:80 in nftables inet filter input: accept", "add tcp [fd00::22]:80 in nftables inet filter input: accept",
		"add tcp 10.10.10.22:80 in nftables inet second in: accept", "add tcp [fd00::22]:80 in nftables inet second in: accept",
	}
	if !slices.Equal(got, want) {
		t.Errorf("made %q\nwant %q", got, want)
	}
	client.wantOpen("10.10.10.22:80")
	client.wantOpen("[fd00::22]:80")
	client.wantClosed("10.10.10.30:80") // the RIP was closed and stays so
	if rules := host.sh("nft list chain inet filter input"); !inOrder(rules, "@bad drop", `accept comment "lvsdr"`, "ct state invalid", "established", "dport 22") {
		t.Errorf("order of rules:\n%s", rules)
	}
	open := host.ruleset()
	if again := host.up(step); len(again) != 0 {
		t.Errorf("second time: %q", changeLines(again))
	}
	if host.ruleset() != open {
		t.Errorf("second time changed the rules")
	}
	// The client is banned by its address: it stays out.
	client.sh("ip addr add 10.10.10.98/24 dev eth0; ip addr del 10.10.10.99/24 dev eth0")
	client.wantClosed("10.10.10.22:80")

	host.down(step)
	if after := host.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
	client.wantClosed("[fd00::22]:80")
}

// inOrder tells whether the texts come one after the other.
func inOrder(s string, texts ...string) bool {
	for _, text := range texts {
		i := strings.Index(s, text)
		if i < 0 {
			return false
		}
		s = s[i+len(text):]
	}
	return true
}

func TestNftDirectorPassesTracking(t *testing.T) {
	needNft(t)
	host, client := fwLAN(t)
	host.listen(":80")
	host.nft(strictRules + `
table inet outward {
	chain output {
		type filter hook output priority filter; policy drop;
		tcp sport 80 accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}`)
	before := host.ruleset()
	// IPVS, which this kernel has not got, would send the client's packet on
	// through the output hook; a listener on the client's side takes its place.
	client.listen("10.10.10.99:80")
	host.nft("add rule inet filter input tcp sport 80 accept\n")
	host.wantClosed("10.10.10.99:80")
	step := DirectorPorts(web("10.10.10.22", "10.10.10.99"))
	for _, c := range host.up(step) {
		t.Log(c)
	}
	host.wantOpen("10.10.10.99:80")
	client.wantOpen("10.10.10.22:80")
	host.sh("nft delete rule inet filter input handle $(nft -a list chain inet filter input | sed -n 's/.*sport 80.*handle //p')")

	rules := host.ruleset()
	if !strings.Contains(rules, `ip daddr . meta l4proto . th dport { 10.10.10.22 . tcp . 80, 10.10.10.99 . tcp . 80 } notrack comment "lvsdr"`) {
		t.Errorf("nothing keeps the packets from being tracked:\n%s", rules)
	}
	host.down(step)
	if after := host.ruleset(); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}

// On a director the client's FIN is the first packet that connection tracking
// sees: invalid, and dropped by most firewalls (faults.md F3).
func TestNftAdmitsWhatTrackingCallsInvalid(t *testing.T) {
	needNft(t)
	host, client := fwLAN(t)
	host.nft(`
table inet early {
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		ct state invalid drop
	}
}
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		tcp flags & (fin|syn|rst|ack) == syn tcp dport 80 accept
	}
}`)
	before := host.ruleset()
	if client.finAnswered() {
		t.Fatal("the FIN came through a closed firewall")
	}
	step := DirectorPorts(web("10.10.10.22"))
	host.up(step)
	if !client.finAnswered() {
		t.Errorf("the FIN does not come through:\n%s", host.ruleset())
	}
	host.down(step)
	if after := host.ruleset(); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}

func TestNftLeavesAloneWhatDoesNotFilter(t *testing.T) {
	needNft(t)
	host := newFwHost(t)
	step := DirectorPorts(web("10.10.10.22"))
	if made := host.up(step); len(made) != 0 || host.ruleset() != "" {
		t.Errorf("made %q on a host without rules:\n%s", changeLines(made), host.ruleset())
	}
	host.nft(`
table inet quiet {
	chain input {
		type filter hook input priority filter; policy accept;
		ip saddr 192.0.2.0/24 drop
		ip6 saddr 2001:db8::/32 reject
		fib saddr . iif oif missing drop
		ct count over 100 drop
		limit rate over 1000/second drop
		jump bans
		tcp dport 22 counter packets 0 bytes 0 accept
	}
	chain bans {
		ip saddr { 192.0.2.1, 192.0.2.7 } drop
		return
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
table ip asleep {
	flags dormant
	chain input {
		type filter hook input priority filter; policy drop;
	}
}
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 8080 redirect to :80
	}
}`)
	before := host.ruleset()
	if made := host.up(step); len(made) != 0 || host.ruleset() != before {
		t.Errorf("made %q where nothing filters:\n%s", changeLines(made), host.ruleset())
	}
}

func TestNftWhatFilters(t *testing.T) {
	needNft(t)
	for _, rule := range []string{
		"drop", "reject", "ct state invalid drop", "ct state vmap { established : accept, invalid : drop }",
		"ip saddr != 10.0.0.0/8 drop", "ip saddr != { 10.0.0.1, 10.0.0.2 } drop", "goto closed", "ip saddr 10.0.0.0/8 jump closed",
		"tcp dport 1-1024 reject with tcp reset", "iifname vmap { \"lo\" : accept, \"eth0\" : jump closed }",
	} {
		t.Run(rule, func(t *testing.T) {
			host := newFwHost(t)
			host.nft("table ip f {\nchain closed {\ndrop\n}\nchain in {\ntype filter hook input priority 0; policy accept;\ncounter\n" + rule + "\n}\n}\n")
			host.up(RealServerPorts(web("10.10.10.22", "fd00::22")))
			got := host.sh("nft list chain ip f in")
			if !inOrder(got, "counter", `10.10.10.22 . tcp . 80 } accept comment "lvsdr"`) || strings.Contains(got, "ip6") {
				t.Errorf("rules:\n%s", got)
			}
			if again := host.up(RealServerPorts(web("10.10.10.22", "fd00::22"))); len(again) != 0 {
				t.Errorf("again: %q", changeLines(again))
			}
		})
	}
}

func TestNftSetMovesOnlyItsOwn(t *testing.T) {
	needNft(t)
	host := newFwHost(t)
	host.nft(strictRules)
	handles := func() string {
		return host.sh("nft -a list table inet filter | grep -v lvsdr | grep -v packets")
	}
	before := handles()
	ctx := context.Background()
	f := localFirewalls()[0]
	const gate = "inet filter input"
	check := func(want ...string) {
		t.Helper()
		var gates []Gate
		var err error
		host.do(func() { gates, err = f.Gates(ctx) })
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range gates {
			if g.Name == gate && (!slices.Equal(g.Openings, fwOpenings(t, want...)) || g.Shadowed) {
				t.Errorf("openings %v, shadowed %v; want %v", g.Openings, g.Shadowed, want)
			}
		}
		if now := handles(); now != before {
			t.Errorf("foreign rules are\n%s\nwere\n%s", now, before)
		}
	}
	set := func(texts ...string) {
		t.Helper()
		var err error
		host.do(func() { err = f.Set(ctx, gate, fwOpenings(t, texts...)) })
		if err != nil {
			t.Fatal(err)
		}
		check(texts...)
	}
	set("tcp 10.10.10.22:80")
	set("tcp 10.10.10.22:80", "udp 10.10.10.22:53", "sctp [fd00::22]:2905", "tcp 10.10.10.23", "udp fd00::23")
	if list := host.ruleset(); !strings.Contains(list, `ip6 daddr . meta l4proto { fd00::23 . udp } accept comment "lvsdr"`) {
		t.Errorf("every port:\n%s", list)
	}
	set("udp fd00::23")

	// Somebody puts a rule before ours that drops.
	host.nft("insert rule inet filter input udp dport 1-65535 drop\n")
	before = handles()
	var gates []Gate
	host.do(func() { gates, _ = f.Gates(ctx) })
	if !gates[0].Shadowed {
		t.Errorf("a rule that drops stands before ours: %+v", gates[0])
	}
	set("udp fd00::23")
	set()

	// A gate that went away meanwhile is no error.
	host.nft("delete table inet filter\n")
	var err error
	host.do(func() { err = f.Set(ctx, gate, fwOpenings(t, "tcp 10.10.10.22:80")) })
	if err != nil {
		t.Error(err)
	}
}

func TestNftThousandsOfServices(t *testing.T) {
	needNft(t)
	host := newFwHost(t)
	host.nft(strictRules)
	before := host.ruleset()
	var c Config
	for i := range 5000 {
		c.Services = append(c.Services, Service{
			VIP: netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)}), Ports: []Port{{80, TCP}},
		})
	}
	step := DirectorPorts(c)
	if n := len(host.up(step)); n != 3*5000 {
		t.Errorf("%d changes", n)
	}
	if n := strings.Count(host.ruleset(), `comment "lvsdr"`); n != 3 {
		t.Errorf("%d rules", n)
	}
	c.Services = c.Services[:4999]
	step = DirectorPorts(c)
	if made := host.up(step); len(made) != 3 || made[0].Op != Remove {
		t.Errorf("made %q", changeLines(made))
	}
	host.down(step)
	if host.ruleset() != before {
		t.Error("teardown left something")
	}
}

func TestNftTableOfAnOwner(t *testing.T) {
	needNft(t)
	host := newFwHost(t)
	release := host.ownTable(t)
	defer release()
	var err error
	host.do(func() {
		_, err = RealServerPorts(web("10.10.10.22")).Plan(context.Background(), &Host{Firewalls: localFirewalls()}, Present)
	})
	if err == nil || !strings.Contains(err.Error(), "inet mine input: only the process that made the table inet mine") {
		t.Errorf("error %v", err)
	}
	c := web("10.10.10.22")
	c.Firewall = "none"
	if made := host.up(RealServerPorts(c)); len(made) != 0 {
		t.Errorf("made %q", changeLines(made))
	}
}

// While the openings change, no packet may ever meet a closed port.
func TestNftNeverClosedInBetween(t *testing.T) {
	needNft(t)
	host, client := fwLAN(t)
	host.listen(":80")
	host.nft(`
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 80 counter packets 0 bytes 0 drop
	}
}`)
	before := host.ruleset()
	host.up(RealServerPorts(web("10.10.10.22")))
	stop, done := make(chan bool), make(chan int)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
				client.reaches("10.10.10.22:80", 10*time.Second)
			}
		}
	}()
	for i := range 100 {
		host.up(RealServerPorts(web("10.10.10.22", fmt.Sprintf("10.30.0.%d", i%7))))
	}
	close(stop)
	t.Logf("%d connections meanwhile", <-done)
	host.down(RealServerPorts(web("10.10.10.22")))
	if after := host.ruleset(); after != before { // the counter too
		t.Errorf("packets met a closed port:\n%s", after)
	}
}
