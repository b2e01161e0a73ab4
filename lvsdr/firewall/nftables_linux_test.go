package firewall_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/step"
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
func (h *fwHost) up(s step.Step) []step.Change { return h.apply(s, step.Present) }

func (h *fwHost) down(s step.Step) []step.Change { return h.apply(s, step.Absent) }

func (h *fwHost) apply(s step.Step, want step.State) []step.Change {
	h.t.Helper()
	var made []step.Change
	var err error
	h.do(func() {
		r := lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{s}}
		apply := r.Up
		if want == step.Absent {
			apply = r.Down
		}
		made, err = apply(context.Background(), &host.Host{Firewalls: firewall.Local(linux.OSFiles{}), Files: linux.OSFiles{Root: h.root}})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return made
}

func web(vips ...string) cluster.Config {
	var c cluster.Config
	for _, vip := range vips {
		c.Services = append(c.Services, cluster.Service{VIP: netip.MustParseAddr(vip), Ports: []cluster.Port{{Number: 80, Protocol: cluster.TCP}}})
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
		type filter hook prerouting priority raw + 99; policy accept;
		ip saddr 192.0.2.0/24 drop
	}
}
`

func TestNftOpensForTraffic(t *testing.T) {
	needNft(t)
	box, client := fwLAN(t)
	box.listen(":80")
	client.wantOpen("10.10.10.22:80")
	box.nft(strictRules)
	before := box.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'")
	client.wantClosed("10.10.10.22:80")
	client.wantClosed("[fd00::22]:80")

	ports := step.RealServerPorts(web("10.10.10.22", "fd00::22"))
	got := changeLines(box.up(ports))
	want := []string{
		"add fragmentation-needed 10.10.10.22 in nftables inet filter input: accept",
		"add tcp 10.10.10.22:80 in nftables inet filter input: accept", "add tcp [fd00::22]:80 in nftables inet filter input: accept",
		"add packet-too-big fd00::22 in nftables inet filter input: accept",
		"add tcp 10.10.10.22:80 in nftables inet second in: accept", "add tcp [fd00::22]:80 in nftables inet second in: accept",
	}
	if !slices.Equal(got, want) {
		t.Errorf("made %q\nwant %q", got, want)
	}
	client.wantOpen("10.10.10.22:80")
	client.wantOpen("[fd00::22]:80")
	client.wantClosed("10.10.10.30:80") // the RIP was closed and stays so
	if rules := box.sh("nft list chain inet filter input"); !inOrder(rules, "@bad drop", `accept comment "lvsdr"`, "ct state invalid", "established", "dport 22") {
		t.Errorf("order of rules:\n%s", rules)
	}
	open := box.ruleset()
	if again := box.up(ports); len(again) != 0 {
		t.Errorf("second time: %q", changeLines(again))
	}
	if box.ruleset() != open {
		t.Errorf("second time changed the rules")
	}
	// The client is banned by its address: it stays out.
	client.sh("ip addr add 10.10.10.98/24 dev eth0; ip addr del 10.10.10.99/24 dev eth0")
	client.wantClosed("10.10.10.22:80")

	box.down(ports)
	if after := box.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"); after != before {
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
	box, client := fwLAN(t)
	box.listen(":80")
	box.nft(strictRules + `
table inet outward {
	chain output {
		type filter hook output priority filter; policy drop;
		tcp sport 80 accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}`)
	before := box.ruleset()
	// IPVS, which this kernel has not got, would send the client's packet on
	// through the output hook; a listener on the client's side takes its place.
	client.listen("10.10.10.99:80")
	box.nft("add rule inet filter input tcp sport 80 accept\n")
	box.wantClosed("10.10.10.99:80")
	ports := step.DirectorPorts(web("10.10.10.22", "10.10.10.99"))
	for _, c := range box.up(ports) {
		t.Log(c)
	}
	box.wantOpen("10.10.10.99:80")
	client.wantOpen("10.10.10.22:80")
	box.sh("nft delete rule inet filter input handle $(nft -a list chain inet filter input | sed -n 's/.*sport 80.*handle //p')")

	rules := box.ruleset()
	if !strings.Contains(rules, `ip daddr . meta l4proto . th dport { 10.10.10.22 . tcp . 80, 10.10.10.99 . tcp . 80 } notrack comment "lvsdr"`) {
		t.Errorf("nothing keeps the packets from being tracked:\n%s", rules)
	}
	box.down(ports)
	if after := box.ruleset(); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}

// On a director the client's FIN is the first packet that connection tracking
// sees: invalid, and dropped by most firewalls (faults.md F3).
func TestNftAdmitsWhatTrackingCallsInvalid(t *testing.T) {
	needNft(t)
	box, client := fwLAN(t)
	box.nft(`
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
	before := box.ruleset()
	if client.finAnswered() {
		t.Fatal("the FIN came through a closed firewall")
	}
	ports := step.DirectorPorts(web("10.10.10.22"))
	box.up(ports)
	if !client.finAnswered() {
		t.Errorf("the FIN does not come through:\n%s", box.ruleset())
	}
	box.down(ports)
	if after := box.ruleset(); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}

func TestNftLeavesAloneWhatDoesNotFilter(t *testing.T) {
	needNft(t)
	box := newFwHost(t)
	ports := step.DirectorPorts(web("10.10.10.22"))
	if made := box.up(ports); len(made) != 0 || box.ruleset() != "" {
		t.Errorf("made %q on a box without rules:\n%s", changeLines(made), box.ruleset())
	}
	box.nft(`
table inet quiet {
	chain input {
		type filter hook input priority filter; policy accept;
		ip saddr 192.0.2.0/24 drop
		ip6 saddr 2001:db8::/32 reject
		fib saddr . iif oif missing drop
		ct count over 100 drop
		limit rate over 1000/second drop
		jump bans
		ip saddr 192.0.2.128/25 jump refused
		ip saddr vmap { 192.0.2.9 : drop, 192.0.2.10 : accept }
		ip saddr . tcp dport { 192.0.2.11 . 80 } drop
		icmp type redirect drop
		meta l4proto { esp, gre } drop
		tcp dport 22 counter packets 0 bytes 0 accept
	}
	chain refused {
		limit rate 1/second log
		reject
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
	before := box.ruleset()
	if made := box.up(ports); len(made) != 0 || box.ruleset() != before {
		t.Errorf("made %q where nothing filters:\n%s", changeLines(made), box.ruleset())
	}
}

func TestNftWhatFilters(t *testing.T) {
	needNft(t)
	for _, rule := range []string{
		"drop", "reject", "ct state invalid drop", "ct state vmap { established : accept, invalid : drop }",
		"ip saddr != 10.0.0.0/8 drop", "ip saddr != { 10.0.0.1, 10.0.0.2 } drop", "goto closed", "ip saddr 10.0.0.0/8 jump zone",
		"ip daddr @later drop", "osf name \"Linux\" drop", "socket transparent 1 drop", "fib daddr type != local drop", "numgen random mod 2 0 drop",
		"meta l4proto vmap { tcp : jump zone, icmp : drop }", "meta mark vmap { 1 : accept, 2 : drop }", "ct state vmap @states", "limit rate 9/second accept; drop",
		"tcp dport 1-1024 reject with tcp reset", "iifname vmap { \"lo\" : accept, \"eth0\" : jump closed }",
	} {
		t.Run(rule, func(t *testing.T) {
			box := newFwHost(t)
			box.nft("table ip f {\nset later { type ipv4_addr; flags timeout; }\nmap states { type ct_state : verdict; elements = { invalid : drop } }\n" +
				"chain closed {\ndrop\n}\nchain zone {\ntcp dport 22 accept\ndrop\n}\nchain in {\ntype filter hook input priority 0; policy accept;\ncounter\n" + rule + "\n}\n}\n")
			box.up(step.RealServerPorts(web("10.10.10.22", "fd00::22")))
			got := box.sh("nft list chain ip f in")
			if !inOrder(got, "counter", `10.10.10.22 . tcp . 80 } accept comment "lvsdr"`) || strings.Contains(got, "ip6") {
				t.Errorf("rules:\n%s", got)
			}
			if again := box.up(step.RealServerPorts(web("10.10.10.22", "fd00::22"))); len(again) != 0 {
				t.Errorf("again: %q", changeLines(again))
			}
		})
	}
}

func TestNftSetMovesOnlyItsOwn(t *testing.T) {
	needNft(t)
	box := newFwHost(t)
	box.nft(strictRules)
	handles := func() string {
		return box.sh("nft -a list table inet filter | grep -v lvsdr | grep -v packets")
	}
	before := handles()
	ctx := context.Background()
	local := firewall.Local(linux.OSFiles{})
	f := local[slices.IndexFunc(local, func(f host.Firewall) bool { return f.Name() == "nftables" })]
	const gate = "inet filter input"
	check := func(want ...string) {
		t.Helper()
		var gates []host.Gate
		var err error
		box.do(func() { gates, err = f.Gates(ctx) })
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
		box.do(func() { err = f.Set(ctx, gate, fwOpenings(t, texts...)) })
		if err != nil {
			t.Fatal(err)
		}
		check(texts...)
	}
	set("tcp 10.10.10.22:80")
	set("tcp 10.10.10.22:80", "udp 10.10.10.22:53", "sctp [fd00::22]:2905", "tcp 10.10.10.23", "udp fd00::23")
	if list := box.ruleset(); !strings.Contains(list, `ip6 daddr . meta l4proto { fd00::23 . udp } accept comment "lvsdr"`) {
		t.Errorf("every port:\n%s", list)
	}
	set("udp fd00::23")

	// Somebody puts a rule before ours that drops.
	box.nft("insert rule inet filter input udp dport 1-65535 drop\n")
	before = handles()
	var gates []host.Gate
	box.do(func() { gates, _ = f.Gates(ctx) })
	if !gates[0].Shadowed {
		t.Errorf("a rule that drops stands before ours: %+v", gates[0])
	}
	set("udp fd00::23")
	set()

	// A gate that went away meanwhile is no error.
	box.nft("delete table inet filter\n")
	var err error
	box.do(func() { err = f.Set(ctx, gate, fwOpenings(t, "tcp 10.10.10.22:80")) })
	if err != nil {
		t.Error(err)
	}
}

func TestNftThousandsOfServices(t *testing.T) {
	needNft(t)
	box := newFwHost(t)
	box.nft(strictRules)
	before := box.ruleset()
	var c cluster.Config
	for i := range 5000 {
		c.Services = append(c.Services, cluster.Service{
			VIP: netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)}), Ports: []cluster.Port{{Number: 80, Protocol: cluster.TCP}},
		})
	}
	ports := step.DirectorPorts(c)
	if n := len(box.up(ports)); n != 5*5000 { // what routers say is dropped in one of the two
		t.Errorf("%d changes", n)
	}
	if n := strings.Count(box.ruleset(), `comment "lvsdr"`); n != 5 {
		t.Errorf("%d rules", n)
	}
	c.Services = c.Services[:4999]
	ports = step.DirectorPorts(c)
	if made := box.up(ports); len(made) != 5 || made[0].Op != step.Remove {
		t.Errorf("made %q", changeLines(made))
	}
	box.down(ports)
	if box.ruleset() != before {
		t.Error("teardown left something")
	}
}

func TestNftTableOfAnOwner(t *testing.T) {
	needNft(t)
	box := newFwHost(t)
	release := box.ownTable(t, "mine")
	defer release()
	var err error
	box.do(func() {
		_, err = step.RealServerPorts(web("10.10.10.22")).Plan(context.Background(), &host.Host{Firewalls: firewall.Local(linux.OSFiles{})}, step.Present)
	})
	if err == nil || !strings.Contains(err.Error(), "inet mine input: only the process that made the table inet mine") {
		t.Errorf("error %v", err)
	}
	c := web("10.10.10.22")
	c.Firewall = "none"
	if made := box.up(step.RealServerPorts(c)); len(made) != 0 {
		t.Errorf("made %q", changeLines(made))
	}
}

// A zone is firewalld as a step sees it, without the program.
type zone struct{ openings []host.Opening }

func (*zone) Name() string { return "firewalld" }

func (z *zone) Gates(context.Context) ([]host.Gate, error) {
	return []host.Gate{{Name: "public", Filters: true, Openings: z.openings, Admits: []cluster.Protocol{host.ICMP, host.ICMPv6}}}, nil
}

func (z *zone) Set(_ context.Context, _ string, openings []host.Opening) error {
	z.openings = openings
	return nil
}

// Beside firewalld's table, which only firewalld can change, a director's packets are
// kept out of tracking in a table of lvsdr's own; firewalld opens the port.
func TestNotrackBesideFirewalldsTable(t *testing.T) {
	needNft(t)
	box := newFwHost(t)
	release := box.ownTable(t, "firewalld")
	defer release()
	before := box.ruleset()
	apply := func(want step.State) (lines []string) {
		var err error
		box.do(func() {
			h := &host.Host{Firewalls: append([]host.Firewall{&zone{}}, firewall.Local(linux.OSFiles{})...)}
			if want == step.Absent {
				h.Firewalls[0].Set(context.Background(), "", openingsOfWeb)
			}
			var plan []step.Change
			plan, err = step.DirectorPorts(web("10.10.10.22")).Plan(context.Background(), h, want)
			for _, c := range plan {
				lines, err = append(lines, c.String()), errors.Join(err, c.Do(context.Background()))
			}
		})
		if err != nil {
			t.Error(err)
		}
		return lines
	}
	want := []string{
		"add tcp 10.10.10.22:80 in firewalld public: accept",
		"add fragmentation-needed 10.10.10.22 in nftables inet lvsdr prerouting: notrack",
		"add tcp 10.10.10.22:80 in nftables inet lvsdr prerouting: notrack",
	}
	if made := apply(step.Present); !slices.Equal(made, want) {
		t.Errorf("made %q, want %q", made, want)
	}
	if now := box.ruleset(); !strings.Contains(now, "notrack") {
		t.Errorf("no notrack:\n%s", now)
	}
	if made := apply(step.Absent); len(made) != 3 || box.ruleset() != before {
		t.Errorf("teardown made %q, left\n%s", made, box.ruleset())
	}
}

var openingsOfWeb = step.OpeningsOf(web("10.10.10.22"))

// While the openings change, no packet may ever meet a closed port.
func TestNftNeverClosedInBetween(t *testing.T) {
	needNft(t)
	box, client := fwLAN(t)
	box.listen(":80")
	box.nft(`
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 80 counter packets 0 bytes 0 drop
	}
}`)
	box.up(step.RealServerPorts(web("10.10.10.22")))
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
		box.up(step.RealServerPorts(web("10.10.10.22", fmt.Sprintf("10.30.0.%d", i%7))))
	}
	close(stop)
	t.Logf("%d connections meanwhile", <-done)
	// Before the teardown: a connection's last packet may come after it.
	if now := box.ruleset(); !strings.Contains(now, "counter packets 0 bytes 0 drop") {
		t.Errorf("packets met a closed port:\n%s", now)
	}
}

func changeLines(changes []step.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return all
}
