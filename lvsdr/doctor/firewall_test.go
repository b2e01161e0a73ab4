package doctor_test

import (
	"context"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var firewallCodes = []string{"firewall-in", "firewall-stateful", "firewall-invalid", "firewall-out", "firewall-icmp", "firewall-nd"}

const filtered = `services:
  - {vip: 10.10.10.22, ports: [80, 53/udp], realServers: [{address: 10.10.10.31}]}
  - {vip: "fd00:10::22", ports: [80], realServers: [{address: "fd00:10::31"}]}
`

func TestFirewallChecks(t *testing.T) {
	const (
		dropped   = ":INPUT DROP [0:0]\n-A INPUT -p icmp -j ACCEPT\n"
		opened    = dropped + "-A INPUT -d 10.10.10.22/32 -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -d 10.10.10.22/32 -p udp -m udp --dport 53 -j ACCEPT\n"
		insert    = "iptables-legacy -w -I INPUT 1 -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT"
		both      = insert + " && iptables-legacy -w -I INPUT 1 -d 10.10.10.22 -p udp --dport 53 -j ACCEPT"
		conntrack = "sysctl -w net.ipv4.vs.conntrack=1"
		// With another host of the LAN for the container: a World has no bridge.
		toContainer = "*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.10.10.99\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n"
	)
	tests := []struct {
		name, role string
		v4, v6     string // the legacy tables
		commands   string
		client     string
		want       []string
	}{
		{"nothing", "director", "", "", "", "", nil},
		{"closed", "director", dropped, "", "", "", []string{"failure firewall-in " + both}},
		{"one port closed", "director", "-A INPUT -p tcp -m tcp --dport 80 -j DROP\n", "", "", "", []string{"failure firewall-in " + insert}},
		{"open", "director", opened, "", "", "", nil},
		{"closed for FORWARD", "director", ":FORWARD DROP [0:0]\n", ":FORWARD DROP [0:0]\n", "", "", nil},
		{"closed in mangle", "director", "*mangle\n-A PREROUTING -p tcp -m tcp --dport 80 -j DROP\n", "", "", "",
			[]string{"failure firewall-in iptables-legacy -w -t mangle -I PREROUTING 1 -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT"}},
		{"addresses of the interface alone", "director", "-A INPUT -p icmp -j ACCEPT\n-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP\n", "", "", "", nil},
		{"addresses of the interface alone, on a real server", "realserver", "-A INPUT -p icmp -j ACCEPT\n-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP\n", "", "", "",
			[]string{"failure firewall-in " + both}},
		{"behind IPVS", "director", "*nat\n-A INPUT -j DROP\n", "", "", "", nil},
		{"stateful", "director", ":INPUT DROP [0:0]\n-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT\n-A INPUT -p tcp -m tcp --syn -j ACCEPT\n-A INPUT -p udp -m state --state NEW -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n", "", "", "",
			[]string{"failure firewall-stateful " + insert}},
		{"stateful, on a real server", "realserver", dropped + "-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT\n-A INPUT -p tcp -m tcp --syn -j ACCEPT\n-A INPUT -p udp -m state --state NEW -j ACCEPT\n", "", "", "", nil},
		{"invalid", "director", "-A INPUT -p icmp -j ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n", "", "", "", []string{"failure firewall-invalid " + insert}},
		{"invalid, with vs.conntrack", "director", "-A INPUT -p icmp -j ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n", "", conntrack, "", []string{"failure firewall-invalid " + insert}},
		{"new only", "director", ":INPUT DROP [0:0]\n-A INPUT -p icmp -j ACCEPT\n-A INPUT -m state --state NEW -j ACCEPT\n", "", "", "", []string{"failure firewall-invalid " + insert}},
		{"invalid after an accept", "director", "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n", "", "", "", nil},
		{"invalid, not tracked", "director", "*raw\n-A PREROUTING -d 10.10.10.22/32 -p tcp -j CT --notrack\n*filter\n-A INPUT -p icmp -j ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n", "", "", "", nil},
		{"invalid, on a real server", "realserver", "-A INPUT -m conntrack --ctstate INVALID -j DROP\n", "", "", "", nil},
		{"out", "director", ":OUTPUT DROP [0:0]\n-A OUTPUT -m state --state NEW,ESTABLISHED -j ACCEPT\n-A OUTPUT -p icmp -j ACCEPT\n", "", "", "",
			[]string{"failure firewall-out iptables-legacy -w -I OUTPUT 1 -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT && iptables-legacy -w -I OUTPUT 1 -d 10.10.10.22 -p udp --dport 53 -j ACCEPT"}},
		{"out, on a real server", "realserver", ":OUTPUT DROP [0:0]\n-A OUTPUT -s 10.10.10.31/32 -j ACCEPT\n-A OUTPUT -p udp -j ACCEPT\n", "", "", "",
			[]string{"failure firewall-out iptables-legacy -w -I OUTPUT 1 -s 10.10.10.22 -p tcp --sport 80 -j ACCEPT"}},
		{"established out, on a real server", "realserver", ":OUTPUT DROP [0:0]\n-A OUTPUT -m state --state ESTABLISHED -j ACCEPT\n", "", "", "", nil},
		{"for the RIP only", "realserver", dropped + "-A INPUT -d 10.10.10.31/32 -p tcp --dport 80 -j ACCEPT\n-A INPUT -p udp -j ACCEPT\n", "", "", "", []string{"failure firewall-in " + insert}},
		{"redirected", "realserver", "*nat\n-A PREROUTING -d 10.10.10.22/32 -j REDIRECT\n*filter\n" + dropped + "-A INPUT -d 10.10.10.31/32 -j ACCEPT\n", "", "", "", nil},
		{"to a container", "realserver", toContainer + "-A FORWARD -d 10.10.10.99/32 -o eth0 -j ACCEPT\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n", "", "", "", nil},
		{"to a container, by its status", "realserver", toContainer + "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n", "", "", "", nil},
		{"not on to a container", "realserver", toContainer, "", "", "", []string{"failure firewall-in " +
			"iptables-legacy -w -I FORWARD 1 -d 10.10.10.99 -p tcp --dport 80 -m conntrack --ctstate DNAT -j ACCEPT && " +
			"iptables-legacy -w -I FORWARD 1 -s 10.10.10.99 -p tcp --sport 80 -m conntrack --ctstate ESTABLISHED -j ACCEPT && " +
			"iptables-legacy -w -I FORWARD 1 -d 10.10.10.99 -p udp --dport 53 -m conntrack --ctstate DNAT -j ACCEPT && " +
			"iptables-legacy -w -I FORWARD 1 -s 10.10.10.99 -p udp --sport 53 -m conntrack --ctstate ESTABLISHED -j ACCEPT"}},
		{"not back from a container", "realserver", toContainer + "-A FORWARD -d 10.10.10.99/32 -p tcp -j ACCEPT\n-A FORWARD -p udp -j ACCEPT\n", "", "", "", []string{"failure firewall-out " +
			"iptables-legacy -w -I FORWARD 1 -s 10.10.10.99 -p tcp --sport 80 -m conntrack --ctstate ESTABLISHED -j ACCEPT"}},
		{"redirected to loopback", "realserver", "*nat\n-A PREROUTING -d 10.10.10.22/32 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:8080\n", "", "", "", []string{"failure firewall-in"}},
		{"redirected to loopback, which is taken", "realserver", "*nat\n-A PREROUTING -d 10.10.10.22/32 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:8080\n", "",
			"sysctl -w net.ipv4.conf.eth0.route_localnet=1", "", nil},
		{"redirected to a port that is closed", "realserver", "*nat\n-A PREROUTING -d 10.10.10.22/32 -p tcp -j REDIRECT --to-ports 8080\n*filter\n" + dropped + "-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp --dport 80 -j ACCEPT\n", "", "", "",
			[]string{"failure firewall-in iptables-legacy -w -I INPUT 1 -d 10.10.10.31 -p tcp --dport 8080 -m conntrack --ctstate DNAT -j ACCEPT"}},
		{"a container on the director", "director", "*nat\n-A PREROUTING -p tcp -m tcp --dport 80 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80\n", "", "", "",
			[]string{"failure firewall-in iptables-legacy -w -t nat -I PREROUTING 1 -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT"}},
		{"bans", "director", "-A INPUT -s 192.0.2.0/24 -j DROP\n-A INPUT -m set --match-set f2b src -j REJECT\n-A INPUT -m recent --update --seconds 60 --hitcount 9 --name x -j DROP\n-A INPUT -p tcp --syn -m connlimit --connlimit-above 99 -j DROP\n", "", "", "", nil},
		{"clients of a subnet only", "director", dropped + "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", "", "", "", nil},
		{"a client outside of it", "director", dropped + "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", "", "", "192.0.2.1", []string{"failure firewall-in"}},
		{"a condition not known", "director", "-A INPUT -p tcp -m bpf --bytecode \"1,6 0 0 0\" -j DROP\n", "", "", "", []string{"warning firewall-in " + insert}},
		{"a program", "director", "-A INPUT -j NFQUEUE --queue-num 0\n", "", "", "", nil},
		{"ICMP", "director", "-A INPUT -p icmp -m icmp ! --icmp-type 8 -j DROP\n", "", "", "",
			[]string{"warning firewall-icmp iptables-legacy -w -I INPUT 1 -d 10.10.10.22 -p icmp --icmp-type fragmentation-needed -j ACCEPT"}},
		{"related ICMP, on a real server", "realserver", ":INPUT DROP [0:0]\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp --dport 80 -j ACCEPT\n-A INPUT -p udp --dport 53 -j ACCEPT\n", "", "", "", nil},
		{"neighbour discovery", "director", "", "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j ACCEPT\n-A INPUT -p ipv6-icmp -j DROP\n", "", "",
			[]string{"failure firewall-nd ip6tables-legacy -w -I INPUT 1 -p ipv6-icmp --icmpv6-type neighbour-solicitation -j ACCEPT",
				"failure firewall-nd ip6tables-legacy -w -I INPUT 1 -p ipv6-icmp --icmpv6-type neighbour-advertisement -j ACCEPT"}},
		{"an IPv6 firewall as it should be", "director", "", ":INPUT DROP [0:0]\n-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n", "", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, err := cluster.ParseConfig("cluster.yaml", []byte(filtered))
			if err != nil {
				t.Fatal(err)
			}
			make, w := lvsdr.Director, lvsdrtest.Director()
			if test.role == "realserver" {
				make, w = lvsdr.RealServer, lvsdrtest.RealServer()
			}
			role, err := make(config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := role.Up(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			w.SetRules(*filter.Join(filter.ParseIptables("iptables-legacy", test.v4), filter.ParseIptables("ip6tables-legacy", test.v6)))
			if got := badFor(t, role, w, test.client, firewallCodes...); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// A gateStep is a step of the ports' name whose one change is made in a gate.
type gateStep struct{ object, gate string }

func (gateStep) Name() string { return step.Ports }

func (s gateStep) Plan(context.Context, *host.Host, step.State) ([]step.Change, error) {
	return []step.Change{{Step: step.Ports, Op: step.Add, Object: s.object, Gate: &host.Place{Firewall: "iptables", Gate: s.gate}}}, nil
}

// What set-up would open is told by the gate of its changes, not by their words.
func TestFirewallFixIsSetUpWhereItOpensTheGate(t *testing.T) {
	const closed = "-A INPUT -p tcp -m tcp --dport 80 -j DROP\n"
	tests := []struct {
		name string
		step gateStep
		fix  string
	}{
		{"that gate", gateStep{"the web", "legacy ip INPUT"}, "SETUP"},
		{"another gate", gateStep{"a web in iptables legacy ip INPUT", "legacy ip OUTPUT"}, "iptables-legacy -w -I INPUT 1 -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, err := cluster.ParseConfig("cluster.yaml", []byte(filtered))
			if err != nil {
				t.Fatal(err)
			}
			role, err := lvsdr.Director(config)
			if err != nil {
				t.Fatal(err)
			}
			w := lvsdrtest.Director()
			if _, err := role.Up(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			w.SetRules(*filter.ParseIptables("iptables-legacy", closed))
			role.Steps = []step.Step{test.step}
			if got := badFor(t, role, w, "", "firewall-in"); !slices.Equal(got, []string{"failure firewall-in " + test.fix}) {
				t.Errorf("got %q", got)
			}
		})
	}
}
