package doctor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

var wireCodes = []string{"vip-claim", "vip-neighbour", "real-server", "dr-path", "replies", "large-replies", "large-requests"}

// wireRole is the role on the mission's cluster with one service, or on that of
// another text.
func wireRole(t *testing.T, name, text string) lvsdr.Role {
	t.Helper()
	if text == "" {
		text = `services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]},
			{vip: "fd00:10::22", realServers: [{address: "fd00:10::31"}, {address: "fd00:10::32"}]}]`
	}
	c, err := cluster.ParseConfig("cluster.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Examined(name, c)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// carrying has a director carry the VIPs.
const carrying = `ip addr add 10.10.10.22/32 dev eth0 label eth0:0
ip addr add fd00:10::22/128 dev eth0 nodad
`

// seen runs the checks on the wire on both vantages and returns "role severity
// code: what", with " | fix" and " @ host" where it has them.
func seen(t *testing.T, text, commands string) []string {
	t.Helper()
	var all []string
	for _, name := range []string{cluster.DirectorRole, cluster.ClientRole} {
		w := lvsdrtest.Client(lvsdrtest.HealthyLAN())
		if name == cluster.DirectorRole {
			w = lvsdrtest.Director(carrying + lvsdrtest.HealthyLAN())
		}
		if err := w.Run(commands); err != nil {
			t.Fatal(err)
		}
		e := wireRole(t, name, text).Exam(w.Host())
		e.Only = ofRole(e, wireCodes)
		before, edits := w.Dump(), w.Edits()
		for _, f := range e.Run(t.Context()) {
			if f.Severity == doctor.OK || f.Severity == doctor.Skipped {
				continue
			}
			line := name + " " + string(f.Severity) + " " + f.Check + ": " + f.What
			if f.Fix != "" {
				line += " | " + f.Fix
			}
			if f.On != "" {
				line += " @ " + f.On
			}
			if f.Fix == "" && f.Advice == "" {
				t.Errorf("neither fix nor advice: %s", line)
			}
			all = append(all, line)
		}
		if w.Edits() != edits {
			t.Errorf("the doctor changed the host from\n%s", before)
		}
	}
	return all
}

// A director with two legs on one LAN hears itself.
func TestVIPClaimOfOwnLeg(t *testing.T) {
	w := lvsdrtest.Director(carrying+lvsdrtest.HealthyLAN(), `ip link add eth1 address 02:00:00:00:00:77 type veth
ip link set eth1 up
ip addr add 10.10.10.29/24 dev eth1
lan add 02:00:00:00:00:77 10.10.10.22`)
	e := wireRole(t, cluster.DirectorRole, "").Exam(w.Host())
	e.Only = []string{"vip-claim"}
	for _, f := range e.Run(t.Context()) {
		if f.Severity != doctor.OK {
			t.Errorf("%s %s: %s", f.Severity, f.Check, f.What)
		}
	}
}

func TestWireChecks(t *testing.T) {
	tests := []struct {
		name, commands string
		want           []string // the beginnings of what is seen; "*" stands for both roles
	}{
		{"healthy", "", nil},
		{"R1", "lan add 02:00:00:00:00:31 10.10.10.22",
			[]string{"* failure vip-claim: the real server 10.10.10.31 (02:00:00:00:00:31) answers ARP for the VIP 10.10.10.22"}},
		{"V4", "lan add 02:00:00:00:00:31 fd00:10::22",
			[]string{"* failure vip-claim: the real server fd00:10::31 (02:00:00:00:00:31) answers neighbour solicitations for the VIP fd00:10::22"}},
		{"R3", "lan claim 02:00:00:00:00:31 10.10.10.22 10.10.10.100",
			[]string{`* failure vip-claim: the real server 10.10.10.31 (02:00:00:00:00:31) asks "who has 10.10.10.100, tell 10.10.10.22"`}},
		{"D15", "lan add 02:00:00:00:00:40 10.10.10.22", []string{"* failure vip-claim: "}},
		{"D2", "lan del 02:00:00:00:00:30 10.10.10.22\nip addr del 10.10.10.22/32 dev eth0",
			[]string{"client failure vip-claim: nobody on eth0 answers for the VIP 10.10.10.22"}},
		{"R24", "ip neigh add 10.10.10.22 lladdr 02:00:00:00:00:31 dev eth0 nud stale",
			[]string{"client failure vip-neighbour: the neighbour entry of the VIP 10.10.10.22 is 10.10.10.31 (02:00:00:00:00:31), state STALE, but only 02:00:00:00:00:30 answers for it | ip neigh del 10.10.10.22 dev eth0"}},
		{"static but right", "ip neigh add 10.10.10.22 lladdr 02:00:00:00:00:30 dev eth0 nud permanent",
			[]string{"client warning vip-neighbour: "}},
		{"N12", "lan del 02:00:00:00:00:31 10.10.10.31\nlan del 02:00:00:00:00:31 fd00:10::31",
			[]string{"* failure real-server: the real server 10.10.10.31 answers no ARP", "* failure real-server: the real server fd00:10::31 answers no ARP"}},
		{"address used twice", "lan add 02:00:00:00:00:77 10.10.10.31",
			[]string{"* failure real-server: 2 hosts answer ARP for the real server 10.10.10.31"}},
		{"wide masks on all real servers, which answer", "lan add 02:00:00:00:00:32 10.10.10.31\nlan add 02:00:00:00:00:31 10.10.10.32",
			[]string{
				"* failure real-server: 2 hosts answer ARP for the real server 10.10.10.31: 02:00:00:00:00:31, 02:00:00:00:00:32; of these 02:00:00:00:00:31, 02:00:00:00:00:32 answer for other real servers too",
				"* failure real-server: 2 hosts answer ARP for the real server 10.10.10.32: "}},
		{"a wide mask on one", "lan add 02:00:00:00:00:32 10.10.10.31",
			[]string{"* failure real-server: 2 hosts answer ARP for the real server 10.10.10.31: 02:00:00:00:00:31, 02:00:00:00:00:32; of these 02:00:00:00:00:32 answer for other"}},
		{"wrong static", "ip neigh add 10.10.10.31 lladdr 02:00:00:00:00:77 dev eth0 nud permanent",
			[]string{"director failure real-server: the neighbour entry of the real server 10.10.10.31 is static, 02:00:00:00:00:77, but 02:00:00:00:00:31 answers for it | ip neigh del 10.10.10.31 dev eth0"}},
		{"right static", "ip neigh add 10.10.10.31 lladdr 02:00:00:00:00:31 dev eth0 nud permanent",
			[]string{"director warning real-server: "}},
		{"failed entry of one that answers", "ip neigh add 10.10.10.31 dev eth0 nud failed", nil},
		{"D13", "ip route add 10.10.10.31/32 via 10.10.10.1 dev eth0",
			[]string{"director failure real-server: the real server 10.10.10.31 is not on a LAN of this host: the route goes by the gateway 10.10.10.1"}},
		{"R9", "lan answer 02:00:00:00:00:31 10.10.10.22:80 reset",
			[]string{"* failure dr-path: 10.10.10.31 refuses 10.10.10.22:80 (RST) and accepts 10.10.10.31:80"}},
		{"nobody listens", "lan answer 02:00:00:00:00:31 10.10.10.22:80 reset\nlan answer 02:00:00:00:00:31 10.10.10.31:80 reset",
			[]string{"* failure dr-path: 10.10.10.31 refuses 10.10.10.22:80 (RST), and 10.10.10.31:80 too is refused: nobody listens there"}},
		{"R10", "lan answer 02:00:00:00:00:31 10.10.10.22:80 silent",
			[]string{"* failure dr-path: 10.10.10.31 does not answer for 10.10.10.22:80, though it answers a ping to the VIP"}},
		{"reject", "lan answer 02:00:00:00:00:31 10.10.10.22:80 unreachable",
			[]string{"* failure dr-path: 10.10.10.31 rejects 10.10.10.22:80 with ICMP port unreachable (type 3 code 3); 10.10.10.31:80 is open"}},
		{"R7", "lan answer 02:00:00:00:00:31 10.10.10.22:80 silent\nlan answer 02:00:00:00:00:31 10.10.10.22:0 silent",
			[]string{"* failure dr-path: 10.10.10.31 does not answer for 10.10.10.22:80, nor a ping to the VIP"}},
		{"R5", "lan answer 02:00:00:00:00:31 10.10.10.22:80 silent\nlan answer 02:00:00:00:00:31 10.10.10.22:0 silent\n" +
			"lan answer 02:00:00:00:00:31 10.10.10.31:80 silent\nlan answer 02:00:00:00:00:31 10.10.10.31:0 silent",
			[]string{"* failure dr-path: 10.10.10.31 does not answer for 10.10.10.22:80, nor for its own address"}},
		{"R8", "lan answer 02:00:00:00:00:31 10.10.10.22:80 redirected\nlan answer 02:00:00:00:00:31 10.10.10.22:0 redirected",
			[]string{"* failure dr-path: 10.10.10.31 does not have the VIP and forwards: what is for 10.10.10.22:80 it answers with an ICMP redirect | sysctl -w net.ipv4.conf.all.arp_ignore=1 && sysctl -w net.ipv4.conf.all.arp_announce=2 && ip addr add 10.10.10.22/32 dev lo label lo:0 scope host @ 10.10.10.31"}},
		{"R8 without redirects", "lan answer 02:00:00:00:00:31 10.10.10.22:80 returned\nlan answer 02:00:00:00:00:31 10.10.10.22:0 returned",
			[]string{"* failure dr-path: 10.10.10.31 does not have the VIP and forwards: what is for 10.10.10.22:80 it sends back | sysctl"}},
		{"another answers", "lan answer 02:00:00:00:00:31 10.10.10.22:80 accepted from 02:00:00:00:00:32\nlan answer 02:00:00:00:00:31 10.10.10.22:0 returned",
			[]string{"* failure dr-path: 10.10.10.31 does not have the VIP and forwards: what is for 10.10.10.22:80 it sends on to 10.10.10.32 (02:00:00:00:00:32)"}},
		{"its other network card answers", "lan answer 02:00:00:00:00:31 10.10.10.22:80 accepted from 02:00:00:00:00:66", nil},
		{"D12", "lan answer 02:00:00:00:00:31 10.10.10.22:80 expired",
			[]string{"* failure dr-path: 10.10.10.31 has the VIP but sends round until its TTL is over what is for 10.10.10.22:80: it balances the service itself"}},
		{"D7", "lan answer 02:00:00:00:00:30 10.10.10.22:80 reset",
			[]string{"client failure replies: 4 of 4 connections to 10.10.10.22:80 through 02:00:00:00:00:30 are refused (RST) by 02:00:00:00:00:30"}},
		{"F1", "lan answer 02:00:00:00:00:30 10.10.10.22:80 silent",
			[]string{"client failure replies: 4 of 4 connections to 10.10.10.22:80 through 02:00:00:00:00:30 are not answered"}},
		{"one server for all", "lan answer 02:00:00:00:00:30 10.10.10.22:80 accepted from 02:00:00:00:00:32", nil},
		{"no direct routing", "lan answer 02:00:00:00:00:30 10.10.10.22:80 accepted",
			[]string{"client warning replies: all 4 replies of 10.10.10.22:80 come from the MAC address of the director"}},
		{"O2", "lan page 10.10.10.22:80 100000 0",
			[]string{"client failure large-replies: an HTTP answer from 10.10.10.22:80 stalls after 0 bytes, but comes in segments of 536 bytes (100000 bytes)"}},
		{"a small page that came late", "lan page 10.10.10.22:80 141 0", nil},
		{"no HTTP", "lan page 10.10.10.22:80 0 0", nil},
		{"O1, the director's", "ip link set eth0 mtu 1400\nlan answer 02:00:00:00:00:31 10.10.10.22:80 accepted mss 1460",
			[]string{"director failure large-requests: 10.10.10.31 tells clients to send packets of up to 1500 bytes (MSS 1460), but eth0 of this director takes 1400: larger requests are lost here"}},
		{"O1, for all", "ip link set eth0 mtu 1400\nlan answer 02:00:00:00:00:31 10.10.10.22:80 accepted mss 1410\nlan answer 02:00:00:00:00:32 10.10.10.22:80 accepted mss 1460",
			[]string{"director failure large-requests: 10.10.10.32 tells clients to send packets of up to 1500 bytes (MSS 1460), but eth0 of this director takes 1400: larger requests are lost here; the same with 1 more"}},
		{"the same size", "ip link set eth0 mtu 1400\nlan answer 02:00:00:00:00:31 10.10.10.22:80 accepted mss 1360", nil},
		{"the same size, IPv6", "lan answer 02:00:00:00:00:31 [fd00:10::22]:80 accepted mss 1440", nil},
		{"jumbo frames", "lan answer 02:00:00:00:00:31 [fd00:10::22]:80 accepted mss 8940",
			[]string{"director warning large-requests: fd00:10::31 tells clients to send packets of up to 9000 bytes (MSS 8940), but eth0 of this director takes 1500: larger requests are lost here, of clients whose own MTU is above 1500"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for _, role := range []string{cluster.DirectorRole, cluster.ClientRole} {
				for _, line := range test.want {
					if rest, both := strings.CutPrefix(line, "*"); both {
						want = append(want, role+rest)
					} else if strings.HasPrefix(line, role) {
						want = append(want, line)
					}
				}
			}
			if got := seen(t, "", test.commands); !slices.EqualFunc(got, want, strings.HasPrefix) {
				t.Errorf("seen\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}

// Where nothing can be seen nothing is said.
func TestWireOutOfSight(t *testing.T) {
	const udp = `services: [{vip: 10.10.10.22, ports: [53/udp, 2905/sctp], realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]`
	const drained = `services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32, weight: 0}]}]`
	const many = `services: [{vip: 10.10.10.22, ports: [80, 81, 82, 83, 84, 85], realServers: [{address: 10.10.10.31}]}]`
	tests := []struct {
		name, text, commands string
		want                 []string
	}{
		{"UDP and SCTP", udp, "lan answer 02:00:00:00:00:31 10.10.10.22:53 silent\nlan answer 02:00:00:00:00:32 10.10.10.22:53 accepted", nil},
		{"UDP, nobody listens", udp, "lan answer 02:00:00:00:00:31 10.10.10.22:53 unreachable\nlan answer 02:00:00:00:00:32 10.10.10.22:53 accepted",
			[]string{"director failure dr-path: 10.10.10.31 answers for 10.10.10.22:53: ICMP port unreachable", "client failure dr-path: "}},
		{"UDP, answered from the RIP", udp, "lan answer 02:00:00:00:00:31 10.10.10.22:53 misaddressed\nlan answer 02:00:00:00:00:32 10.10.10.22:53 accepted",
			[]string{"director failure dr-path: 10.10.10.31 answers what is sent to 10.10.10.22:53/udp, but from 10.10.10.31:53: a client takes no answer", "client failure dr-path: "}},
		{"a drained real server", drained, "lan answer 02:00:00:00:00:32 10.10.10.22:80 reset", nil},
		{"no real servers known", "services: [{vip: 10.10.10.22}]", "", nil},
		{"six ports", many, "lan answer 02:00:00:00:00:31 10.10.10.22:81 accepted\nlan answer 02:00:00:00:00:31 10.10.10.22:82 accepted\n" +
			"lan answer 02:00:00:00:00:31 10.10.10.22:83 accepted\nlan answer 02:00:00:00:00:30 10.10.10.22:81 accepted from 02:00:00:00:00:31\n" +
			"lan answer 02:00:00:00:00:30 10.10.10.22:82 accepted from 02:00:00:00:00:31\nlan answer 02:00:00:00:00:30 10.10.10.22:83 accepted from 02:00:00:00:00:31", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := seen(t, test.text, test.commands); !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("seen\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// A client that has the VIP itself can judge nothing by the wire, and says so; one that
// reaches the VIP by a gateway tries the service and nothing else; one that does not reach
// it is the wrong place, which is no pass.
func TestWireFromTheWrongPlace(t *testing.T) {
	const elsewhere = "ip addr del 10.10.10.100/24 dev eth0\nip addr add 192.0.2.1/24 dev eth0\nip route del default via 10.10.10.1 dev eth0\n"
	const routed = elsewhere + "ip route add default via 192.0.2.2 dev eth0\n"
	const notHere = "skipped: this host is not on the LAN of the VIP 10.10.10.22"
	for name, test := range map[string]struct{ commands, link, claim, replies string }{
		"it has the VIP": {"ip addr add 10.10.10.22/32 dev lo", "ok", "skipped: this host has the VIP 10.10.10.22 itself", "skipped: this host has"},
		"another LAN":    {elsewhere, "failure", "skipped: because of ", "skipped: because of "},
		"no gateway":     {routed, "ok", notHere, "failure: the gateway 192.0.2.2 on eth0, by which this host reaches the VIP 10.10.10.22, answers no ARP"},
		"unanswered": {routed + "lan add 02:00:00:00:00:01 192.0.2.2", "ok", notHere,
			"failure: 2 of 2 connections to 10.10.10.22:80 by the gateway 192.0.2.2 are not answered"},
		"answered": {routed + "lan add 02:00:00:00:00:01 192.0.2.2\nlan answer 02:00:00:00:00:01 10.10.10.22:80 accepted", "ok", notHere,
			"ok: the VIP 10.10.10.22 answers, by the gateway 192.0.2.2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := lvsdrtest.Client(lvsdrtest.HealthyLAN())
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			e := wireRole(t, cluster.ClientRole, "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]").Exam(w.Host())
			e.Only = []string{"vip-claim", "vip-neighbour", "replies"}
			want := map[string]string{"link": test.link, "vip-claim": test.claim, "vip-neighbour": test.claim, "replies": test.replies,
				"real-server": "skipped", "dr-path": "skipped"}
			if name == "it has the VIP" {
				delete(want, "real-server")
			}
			for _, f := range e.Run(t.Context()) {
				if got := string(f.Severity) + ": " + f.What; !strings.HasPrefix(got, want[f.Check]) {
					t.Errorf("%s: %s, want %s", f.Check, got, want[f.Check])
				}
			}
		})
	}
}

// A VIP that keepalived moves is another director's, where one answers for it; where
// nobody does, it is lost.
func TestWireWhereKeepalivedMovesTheVIP(t *testing.T) {
	for name, test := range map[string]struct{ commands, want string }{
		"another director has it": {"lan add 02:00:00:00:00:77 10.10.10.22", "ok"},
		"nobody has it":           {"", "failure"},
		"it is not keepalived's":  {"lan add 02:00:00:00:00:77 10.10.10.22\nip addr add 10.10.10.25/32 dev eth0\n" + write("/etc/keepalived/keepalived.conf", "vrrp_instance mail { virtual_ipaddress { 10.10.10.25 } }"), "failure"},
	} {
		w := lvsdrtest.Director(lvsdrtest.HealthyLAN(), "ps add keepalived", instances)
		if err := w.Run(test.commands); err != nil {
			t.Fatal(err)
		}
		e := wireRole(t, cluster.DirectorRole, "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]").Exam(w.Host())
		e.Only = []string{"vip-claim"}
		for _, f := range e.Run(t.Context()) {
			if f.Check == "vip-claim" && string(f.Severity) != test.want {
				t.Errorf("%s: %s %s", name, f.Severity, f.What)
			}
		}
	}
}

// Of thousands that claim an address a few are named, the real servers among them all.
func TestWireFlooded(t *testing.T) {
	commands := "lan add 02:00:00:00:00:31 10.10.10.22\n"
	for i := range 40 {
		commands += fmt.Sprintf("lan add 02:00:00:00:77:%02x 10.10.10.22\nlan add 02:00:00:00:78:%02x 10.10.10.32\n", i, i)
	}
	for _, role := range []string{"director", "client"} {
		var got []string
		for _, line := range seen(t, "", commands) {
			if strings.HasPrefix(line, role) {
				got = append(got, line)
			}
		}
		want := []string{
			role + " failure vip-claim: the real server 10.10.10.31 (02:00:00:00:00:31) answers", role + " failure vip-claim: 02:00:00:00:77:00 ",
			role + " failure vip-claim: 02:00:00:00:77:01 ", role + " failure vip-claim: 02:00:00:00:77:02 ", role + " failure vip-claim: 02:00:00:00:77:03 ",
			role + " failure vip-claim: and 36 more claims to the VIP 10.10.10.22", role + " failure real-server: 41 hosts answer ARP for the real server 10.10.10.32: 02:00:00:00:00:32, 02:00:00:00:78:00, 02:00:00:00:78:01, 02:00:00:00:78:02, and 37 more",
		}
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("seen\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// An ipvlan hears no answer to an ARP probe, and whoever answers an ordinary question is
// no proxy for that.
func TestWireOfIPVLAN(t *testing.T) {
	w := lvsdrtest.Director(lvsdrtest.HealthyLAN(), `ip addr del 10.10.10.30/24 dev eth0
ip link add lan type ipvlan
ip link set lan up
ip addr add 10.10.10.30/24 dev lan
ip addr add 10.10.10.22/32 dev lan
lan add 02:00:00:00:00:66 10.10.10.22
lan answer 02:00:00:00:00:31 10.10.10.22:80 reset`)
	e := wireRole(t, cluster.DirectorRole, "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]").Exam(w.Host())
	e.Only = ofRole(e, wireCodes)
	var got []string
	for _, f := range e.Run(t.Context()) {
		if f.Severity != doctor.OK && f.Severity != doctor.Skipped {
			got = append(got, f.Check+": "+f.What)
		}
	}
	want := []string{
		"vip-claim: 02:00:00:00:00:66 answers ARP for the VIP 10.10.10.22, which this director has",
		"dr-path: 10.10.10.31 refuses 10.10.10.22:80 (RST) and accepts 10.10.10.31:80: the server there listens on its own address only",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
