package doctor_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

var addrCodes = []string{
	"link", "ipv6-disabled", "vip-dad", "vip", "vip-mask", "vip-link", "vip-source", "arp-ignore", "arp-announce", "rp-filter", "return-route", "return-gateway",
}

// quiet is a real server that has the VIPs and says nothing of it.
const quiet = `sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
ip addr add 10.10.10.22/32 dev lo label lo:0
ip addr add fd00:10::22/128 dev lo
`

// shown is a director that has the VIPs on its LAN.
const shown = `modprobe ip_vs
ip addr add 10.10.10.22/32 dev eth0 label eth0:0
ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0
`

// secondLeg is another network of the host, with its default gateway.
const secondLeg = `ip link add eth1 address 02:00:00:00:01:31 type veth
ip link set eth1 up
ip addr add 10.20.0.31/24 dev eth1
lan add 02:00:00:00:01:01 10.20.0.1
ip route del default via 10.10.10.1 dev eth0
ip route add default via 10.20.0.1 dev eth1
`

type addrCase struct {
	name, commands string
	want           []string // "severity code fix"
	client         string
	config         string // of the cluster; empty: the mission's in both families
	advised        bool   // the fixes alone do not make it healthy
	told           string // commands that the advice names, with what to see before
}

// run examines a host that is well but for the case's commands, and mends it with the
// doctor's fixes.
func (c addrCase) run(t *testing.T, name string, healthy func() *lvsdrtest.World) {
	w := healthy()
	if err := w.Run(c.commands); err != nil {
		t.Fatal(err)
	}
	role := wireRole(t, name, c.config)
	got := badFor(t, role, w, c.client, addrCodes...)
	if !slices.Equal(got, c.want) {
		t.Errorf("got  %q\nwant %q", got, c.want)
	}
	if c.advised {
		return
	}
	if !c.advises(t, role.Exam(w.Host())) {
		t.Errorf("the advice does not name %q", c.told)
	}
	for _, line := range got {
		words := append(strings.SplitN(line, " ", 3), c.told)
		for _, command := range strings.Split(words[2], " && ") {
			if err := w.Run(command); err != nil {
				t.Errorf("%q: %v", command, err)
			}
		}
	}
	if left := badFor(t, role, w, c.client, addrCodes...); len(left) > 0 {
		t.Errorf("after the fixes: %q", left)
	}
}

// advises tells whether some advice names the commands.
func (c addrCase) advises(t *testing.T, e *doctor.Exam) bool {
	e.Only = ofRole(e, addrCodes)
	return slices.ContainsFunc(e.Run(t.Context()), func(f doctor.Finding) bool { return strings.Contains(f.Advice, c.told) })
}

// instances have keepalived move two addresses together, and one by itself.
var instances = "mkdir -p /etc/keepalived\n" + write("/etc/keepalived/keepalived.conf", `vrrp_instance web {
  state BACKUP
  interface eth0
  virtual_ipaddress {
    10.10.10.22/32 dev eth0
    10.10.10.24
  }
}
vrrp_instance mail { virtual_ipaddress { 10.10.10.25 } }`)

// routedVIP is a real server of a VIP in no subnet of its own, with a second leg by which
// its director sends, and no way beyond its networks.
const (
	routed    = "services: [{vip: 198.51.100.22, realServers: [{address: 172.16.0.31}, {address: 172.16.0.32}]}]"
	routedVIP = `ip addr add 198.51.100.22/32 dev lo label lo:0
ip link add eth1 address 02:00:00:00:01:31 type veth
ip link set eth1 up
ip addr add 172.16.0.31/24 dev eth1
ip route del default via 10.10.10.1 dev eth0
`
	strict = "sysctl -w net.ipv4.conf.all.rp_filter=1\n"
)

func TestRealServerAddresses(t *testing.T) {
	const ignore1, announce2 = "sysctl -w net.ipv4.conf.eth0.arp_ignore=1", "sysctl -w net.ipv4.conf.eth0.arp_announce=2"
	const noVIP, wide = "ip addr del 10.10.10.22/32 dev lo", "ip addr add 10.10.10.22/32 dev lo label lo:0"
	const add = wide + " scope host"
	const only4 = "services: [{vip: 10.10.10.22}]"
	tests := []addrCase{
		{name: "healthy"},
		{name: "nothing but the VIP is known", config: only4},

		{name: "R1", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=0", want: []string{"failure arp-ignore " + ignore1}},
		{name: "R2", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=0\nsysctl -w net.ipv4.conf.lo.arp_ignore=1",
			want: []string{"failure arp-ignore " + ignore1}},
		{name: "3 is more and answers", commands: "sysctl -w net.ipv4.conf.eth0.arp_ignore=3",
			want: []string{"failure arp-ignore " + ignore1}},
		{name: "3 is silent for scope host", commands: "sysctl -w net.ipv4.conf.eth0.arp_ignore=3\n" + noVIP + "\nip addr add 10.10.10.22/32 dev lo scope host"},
		{name: "FP6: 2", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=2"},
		{name: "FP6: 8", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=8"},
		{name: "FP7: only the LAN's interface", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0\n" +
			"sysctl -w net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.arp_announce=2\nip link add docker0 address 02:00:00:00:02:31 type bridge\n" +
			"ip link set docker0 up\nip addr add 172.17.0.1/16 dev docker0"},
		{name: "a VLAN", commands: "ip link add eth0.100 address 02:00:00:00:00:31 type vlan\nip link set eth0.100 up\n" +
			"ip addr del 10.10.10.31/24 dev eth0\nip addr add 10.10.10.31/24 dev eth0.100\nip route add default via 10.10.10.1 dev eth0.100\n" +
			"sysctl -w net/ipv4/conf/eth0.100/arp_ignore=3",
			want: []string{"failure arp-ignore " + "sysctl -w net.ipv4.conf.eth0/100.arp_ignore=1"}},
		{name: "a port of a bridge has no say", commands: "ip link add br0 address 02:00:00:00:00:31 type bridge\nip link set br0 up\n" +
			"ip link set eth0 master br0\nip addr del 10.10.10.31/24 dev eth0\nip addr add 10.10.10.31/24 dev br0\n" +
			"sysctl -w net.ipv4.conf.eth0.arp_ignore=0 net.ipv4.conf.br0.arp_ignore=1"},
		{name: "FP6: arptables", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=0\narptables -A INPUT -d 10.10.10.22 -j DROP"},
		{name: "FP6: arptables-legacy", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0\n" +
			write("/proc/thread-self/net/arp_tables_names", "filter")},
		{name: "FP6: no leg in the VIP's subnet", config: "services: [{vip: 198.51.100.22, realServers: [{address: 10.10.10.31}]}]",
			commands: "ip addr add 198.51.100.22/32 dev lo label lo:0\nsysctl -w net.ipv4.conf.all.arp_ignore=0"},
		{name: "one wire, two subnets", config: "services: [{vip: 198.51.100.22, realServers: [{address: 10.10.10.31}]}]",
			commands: "ip addr add 198.51.100.22/32 dev lo label lo:0\nlan add 02:00:00:00:00:30 198.51.100.22\n" +
				"sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0",
			want: []string{"failure arp-ignore " + ignore1, "failure arp-announce " + announce2}},
		{name: "one wire, two subnets, and silent", config: "services: [{vip: 198.51.100.22, realServers: [{address: 10.10.10.31}]}]",
			commands: "ip addr add 198.51.100.22/32 dev lo label lo:0\nlan add 02:00:00:00:00:30 198.51.100.22"},
		{name: "IPv6 only", config: `services: [{vip: "fd00:10::22", realServers: [{address: "fd00:10::31"}]}]`,
			commands: "sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0"},

		{name: "R3", commands: "sysctl -w net.ipv4.conf.all.arp_announce=0", want: []string{"failure arp-announce " + announce2}},
		{name: "R4", commands: "sysctl -w net.ipv4.conf.all.arp_announce=1", want: []string{"failure arp-announce " + announce2}},
		{name: "3 is 0", commands: "sysctl -w net.ipv4.conf.eth0.arp_announce=3",
			want: []string{"failure arp-announce " + announce2}},

		{name: "R7", commands: noVIP, want: []string{"failure vip " + add}},
		{name: "R8", commands: noVIP + "\nsysctl -w net.ipv4.ip_forward=1", want: []string{"failure vip " + add}},
		{name: "no VIP and no sysctls", commands: noVIP + "\nsysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0",
			want: []string{"failure vip " + ignore1 + " && " + announce2 + " && " + add}},
		{name: "no IPv6 VIP", commands: "ip addr del fd00:10::22/128 dev lo", want: []string{"failure vip ip addr add fd00:10::22/128 dev lo"}},
		{name: "FP5: a dummy", commands: noVIP + "\nip link add dummy0 address 02:00:00:00:03:31 type dummy\nip link set dummy0 up\nip addr add 10.10.10.22/32 dev dummy0"},
		{name: "FP5: a local route", commands: noVIP + "\nip route add local 10.10.10.22 dev lo"},

		{name: "R5", commands: noVIP + "\nip addr add 10.10.10.22/24 dev lo label lo:0",
			want: []string{"failure vip-mask " + wide + " && ip addr del 10.10.10.22/24 dev lo"}},
		{name: "R5 twice", config: only4 + "\n", commands: noVIP + "\nip addr add 10.10.10.22/24 dev lo label lo:0\nip addr add 10.10.10.23/24 dev lo",
			want: []string{"failure vip-mask " + wide + " && ip addr add 10.10.10.23/32 dev lo label lo:0 && ip addr del 10.10.10.23/24 dev lo && ip addr del 10.10.10.22/24 dev lo"}},
		{name: "R5 by a route", commands: noVIP + "\nip route add local 10.10.10.0/24 dev lo",
			want: []string{"failure vip-mask ip route replace local 10.10.10.22/32 dev lo && ip route del local 10.10.10.0/24 dev lo"}},
		{name: "a second way on a dummy", commands: noVIP + "\nip link add dummy0 address 02:00:00:00:03:31 type dummy\nip link set dummy0 up\nip addr add 10.10.10.22/24 dev dummy0",
			want: []string{"warning vip-mask ip addr add 10.10.10.22/32 dev dummy0 label dummy0:0 && ip addr del 10.10.10.22/24 dev dummy0"}},
		{name: "AnyIP", config: "services: [{vip: 198.51.100.22}]", commands: "ip route add local 198.51.100.0/24 dev lo"},
		{name: "a wide VIP with nobody there", config: "services: [{vip: 198.51.100.22}]", commands: "ip addr add 198.51.100.22/24 dev lo",
			want: []string{"warning vip-mask ip addr add 198.51.100.22/32 dev lo label lo:0 && ip addr del 198.51.100.22/24 dev lo"}},

		{name: "R6", commands: "ip addr add 10.10.10.22/32 dev eth0", want: []string{"failure vip-link ip addr del 10.10.10.22/32 dev eth0"}},
		{name: "R6 alone, the primary", commands: noVIP + "\nip addr del 10.10.10.31/24 dev eth0\nip addr add 10.10.10.22/24 dev eth0\nip addr add 10.10.10.31/24 dev eth0",
			want: []string{"failure vip-link " + add + " && sysctl -w net.ipv4.conf.eth0.promote_secondaries=1 && ip addr del 10.10.10.22/24 dev eth0"}},
		{name: "V4", commands: "ip addr add fd00:10::22/128 dev eth0 nodad", want: []string{"failure vip-link ip addr del fd00:10::22/128 dev eth0"}},
		{name: "V2", commands: "ip addr del fd00:10::22/128 dev lo\nip addr add fd00:10::22/128 dev eth0 dadfailed",
			want: []string{"failure vip-link ip addr add fd00:10::22/128 dev lo && ip addr del fd00:10::22/128 dev eth0"}},
		{name: "on another leg", commands: secondLeg + noVIP + "\nip addr add 10.10.10.22/32 dev eth1"},
		{name: "a macvlan", commands: "ip link add mv0 address 02:00:00:00:04:31 type macvlan\nip link set mv0 up\nip addr add 10.10.10.22/32 dev mv0",
			want: []string{"failure vip-link ip addr del 10.10.10.22/32 dev mv0"}},
		{name: "vip-dad", commands: "ip link add vl0 address 02:00:00:00:04:31 type veth\nip link set vl0 up\n" +
			"ip addr del fd00:10::22/128 dev lo\nip addr add fd00:10::22/128 dev vl0 dadfailed",
			want: []string{"failure vip-dad ip addr del fd00:10::22/128 dev vl0 && ip addr add fd00:10::22/128 dev lo"}},
		{name: "tentative", commands: "ip link add vl0 address 02:00:00:00:04:31 type veth\nip link set vl0 up\n" +
			"ip addr del fd00:10::22/128 dev lo\nip addr add fd00:10::22/128 dev vl0 tentative",
			want: []string{"failure vip-dad ip addr del fd00:10::22/128 dev vl0 && ip addr add fd00:10::22/128 dev lo"}},

		{name: "V5", commands: "ip addr del fd00:10::22/128 dev lo\nsysctl -w net.ipv6.conf.lo.disable_ipv6=1", advised: true,
			want: []string{"failure ipv6-disabled sysctl -w net.ipv6.conf.lo.disable_ipv6=0"}},
		{name: "V5 on the LAN", commands: "sysctl -w net.ipv6.conf.eth0.disable_ipv6=1",
			want: []string{"failure ipv6-disabled sysctl -w net.ipv6.conf.eth0.disable_ipv6=0"}},

		{name: "R17", commands: "ip route del default via 10.10.10.1 dev eth0\nip route add default via 10.10.10.1 dev eth0 src 10.10.10.22", advised: true,
			want: []string{"warning vip-source ip route replace $(ip -o route get fibmatch 192.0.2.1 | sed 's/ src 10.10.10.22 / src 10.10.10.31 /')"}},

		{name: "R13", commands: secondLeg + "sysctl -w net.ipv4.conf.all.rp_filter=1",
			want: []string{"warning rp-filter sysctl -w net.ipv4.conf.eth0.rp_filter=2"}},
		{name: "R13 for a client", commands: secondLeg + "sysctl -w net.ipv4.conf.all.rp_filter=1", client: "203.0.113.9",
			want: []string{"failure rp-filter sysctl -w net.ipv4.conf.eth0.rp_filter=2"}},
		{name: "R13 for a client on the LAN", commands: secondLeg + "sysctl -w net.ipv4.conf.all.rp_filter=1", client: "10.10.10.100"},
		{name: "FP18", commands: "sysctl -w net.ipv4.conf.all.rp_filter=1"},
		{name: "FP19", commands: secondLeg + "sysctl -w net.ipv4.conf.eth1.rp_filter=1 net.ipv4.conf.eth0.rp_filter=2"},

		{name: "a routed VIP", config: routed, commands: routedVIP},
		{name: "a routed VIP, nothing but it is known", config: "services: [{vip: 198.51.100.22}]", commands: routedVIP},
		{name: "a routed VIP, and the second leg is strict", config: routed, commands: routedVIP + strict,
			want: []string{"warning rp-filter sysctl -w net.ipv4.conf.eth1.rp_filter=2"}},
		{name: "the same for a client", config: routed, commands: routedVIP + strict, client: "10.10.10.100",
			want: []string{"failure rp-filter sysctl -w net.ipv4.conf.eth1.rp_filter=2"}},
		{name: "a strict leg, by which the director may not come", config: "services: [{vip: 198.51.100.22}]", commands: routedVIP + strict,
			client: "10.10.10.100", want: []string{"warning rp-filter sysctl -w net.ipv4.conf.eth1.rp_filter=2"}},
		{name: "a routed VIP, and one leg that is strict", config: "services: [{vip: 198.51.100.22, realServers: [{address: 10.10.10.31}]}]",
			commands: "ip addr add 198.51.100.22/32 dev lo label lo:0\n" + strict},

		{name: "R14", commands: "ip route add blackhole 203.0.113.0/24", client: "203.0.113.9", advised: true, want: []string{"failure return-route"}},
		{name: "R14 in IPv6", commands: "ip route del default via fd00:10::1 dev eth0", client: "2001:db8:7::9", advised: true,
			want: []string{"failure return-route"}},
		{name: "a default route that refuses", advised: true, config: only4,
			commands: "ip route del default via 10.10.10.1 dev eth0\nip route add blackhole 0.0.0.0/0", want: []string{"warning return-route"}},
		{name: "no default route", commands: "ip route del default via 10.10.10.1 dev eth0\nip route del default via fd00:10::1 dev eth0"},
		{name: "R15", commands: "ip route del default via 10.10.10.1 dev eth0\nip route add default via 10.10.10.30 dev eth0", advised: true,
			want: []string{"failure return-gateway"}},
		{name: "a gateway that is not there", advised: true, commands: "lan del 02:00:00:00:00:01 10.10.10.1", want: []string{"warning return-gateway"}},
		{name: "a gateway that is not there, for a client", advised: true, commands: "lan del 02:00:00:00:00:01 10.10.10.1", client: "203.0.113.9",
			want: []string{"failure return-gateway"}},
		{name: "a gateway that is not there, for a client on the LAN", commands: "lan del 02:00:00:00:00:01 10.10.10.1", client: "10.10.10.100"},
		{name: "a gateway that is written down",
			commands: "lan del 02:00:00:00:00:01 10.10.10.1\nip neigh add 10.10.10.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent"},
		{name: "R15 by the VIP", config: `services: [{vip: "fd00:10::22"}, {vip: "fd00:10::23"}]`, advised: true,
			commands: "ip addr add fd00:10::23/128 dev lo\nip route del default via fd00:10::1 dev eth0\nip route add default via fd00:10::22 dev eth0",
			want:     []string{"failure return-route", "failure return-route"}},

		{name: "D2: the link is down", commands: "ip link set eth0 down", want: []string{"failure link ip link set dev eth0 up"}, config: only4},
		{name: "no ARP", commands: "ip link set eth0 arp off", want: []string{"failure link ip link set dev eth0 arp on"}},
		{name: "no ARP in place of sysctls", commands: "ip link set eth0 arp off\nsysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0",
			want: []string{"failure link " + ignore1 + " && " + announce2 + " && ip link set dev eth0 arp on"}},
		{name: "other interfaces answer as before", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=3", want: []string{"failure arp-ignore sysctl -w net.ipv4.conf.all.arp_ignore=1"}},
		{name: "AnyIP of others", commands: "ip addr add 198.51.100.7/24 dev lo"},
		{name: "no carrier", commands: "ip link set eth0 carrier off", advised: true, want: []string{"failure link"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, cluster.RealServerRole, func() *lvsdrtest.World { return lvsdrtest.RealServer(quiet, lvsdrtest.HealthyLAN()) })
		})
	}
}

// FP5, FP6: a real server that redirects a service's packets need not have the VIP,
// and then has nothing to be silent about.
func TestRedirectedVIP(t *testing.T) {
	for ports, want := range map[string][]string{
		"[80]":      nil,
		"[80, 443]": {"failure vip sysctl -w net.ipv4.conf.eth0.arp_ignore=1 && sysctl -w net.ipv4.conf.eth0.arp_announce=2 && ip addr add 10.10.10.22/32 dev lo label lo:0 scope host"},
	} {
		w := lvsdrtest.RealServer(lvsdrtest.HealthyLAN())
		w.SetRules(*filter.ParseIptables("iptables-legacy", "*nat\n-A PREROUTING -d 10.10.10.22/32 -p tcp -m tcp --dport 80 -j REDIRECT\n"))
		role := wireRole(t, cluster.RealServerRole, "services: [{vip: 10.10.10.22, ports: "+ports+", realServers: [{address: 10.10.10.31}]}]")
		if got := bad(t, role, w, addrCodes...); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", ports, got, want)
		}
	}
}

func TestDirectorAddresses(t *testing.T) {
	const noVIP, add = "ip addr del 10.10.10.22/32 dev eth0", "ip addr add 10.10.10.22/32 dev eth0 label eth0:0"
	const promote = "sysctl -w net.ipv4.conf.eth0.promote_secondaries=1"
	const first = noVIP + "\nip addr del 10.10.10.30/24 dev eth0\nip addr add 10.10.10.22/24 dev eth0\n"
	const named = `{interface: eth0, services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]}`
	const leg = "ip link add eth1 address 02:00:00:00:01:30 type veth\nip link set eth1 up\nip addr add 10.20.0.30/24 dev eth1\n"
	tests := []addrCase{
		{name: "healthy"},
		{name: "FP1, FP8", commands: "sysctl -w net.ipv4.ip_forward=0\nsysctl -w net.ipv4.conf.all.arp_ignore=1"},
		{name: "two NICs, the VIP on the outer one", commands: leg + noVIP + "\nip addr add 10.10.10.22/32 dev eth1\nsysctl -w net.ipv4.conf.all.arp_ignore=1"},
		{name: "the VIP is a secondary /24", commands: noVIP + "\nip addr add 10.10.10.22/24 dev eth0"},

		{name: "D2", commands: noVIP, want: []string{"failure vip"}, told: add},
		{name: "D2 where keepalived runs", commands: noVIP + "\nps add keepalived"},
		{name: "D2 where keepalived moves it", commands: noVIP + "\nps add keepalived\n" + instances},
		{name: "D2 where keepalived moves another", config: "services: [{vip: 10.10.10.23, realServers: [{address: 10.10.10.31}]}]",
			commands: "ps add keepalived\n" + instances, want: []string{"failure vip"}, told: "ip addr add 10.10.10.23/32 dev eth0 label eth0:0"},
		{name: "D2 where keepalived is the master of its instance", advised: true,
			commands: noVIP + "\nps add keepalived\n" + instances + "\nip addr add 10.10.10.24/32 dev eth0", want: []string{"failure vip"}},
		{name: "D2 in IPv6", commands: "ip addr del fd00:10::22/128 dev eth0",
			want: []string{"failure vip"}, told: "ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0"},
		{name: "D2 after a set-up", commands: noVIP + "\n" + write("/run/lvsdr/director", "role\t"), advised: true, want: []string{"failure vip SETUP"}},
		{name: "D21: no room for a label", config: `{interface: enx001122334455, services: [{vip: 10.10.10.22}]}`,
			commands: noVIP + "\nip link add enx001122334455 address 00:11:22:33:44:55 type veth\nip link set enx001122334455 up",
			want:     []string{"failure vip"}, told: "ip addr add 10.10.10.22/32 dev enx001122334455"},
		{name: "M13", config: `{interface: eth7, services: [{vip: 10.10.10.22}]}`, advised: true, want: []string{"failure link"}},
		{name: "the outer link is down", commands: leg + noVIP + "\nip addr add 10.10.10.22/32 dev eth1\nip link set eth1 down",
			want: []string{"failure link ip link set dev eth1 up"}},

		{name: "D1", commands: noVIP + "\nip addr add 10.10.10.22/32 dev lo\nsysctl -w net.ipv4.conf.all.arp_ignore=1",
			want: []string{"failure vip-link"}, told: add + " && ip addr del 10.10.10.22/32 dev lo"},
		{name: "D1 with a routed VIP", config: "services: [{vip: 198.51.100.22, realServers: [{address: 10.10.10.31}]}]", advised: true,
			commands: "ip addr add 198.51.100.22/32 dev lo\nsysctl -w net.ipv4.conf.all.arp_ignore=1",
			want:     []string{"warning vip-link"}},
		{name: "D1 where keepalived runs", commands: noVIP + "\nip addr add 10.10.10.22/32 dev lo\nsysctl -w net.ipv4.conf.all.arp_ignore=1\nps add keepalived"},
		{name: "D1 after a set-up", commands: noVIP + "\nip addr add 10.10.10.22/32 dev lo\nsysctl -w net.ipv4.conf.all.arp_ignore=1\n" +
			write("/run/lvsdr/director", "role\t"), advised: true, want: []string{"failure vip-link SETUP"}},
		{name: "on lo, and arp_ignore 0 answers", commands: noVIP + "\nip addr add 10.10.10.22/32 dev lo"},
		{name: "IPv6 on lo", commands: "ip addr del fd00:10::22/128 dev eth0\nip addr add fd00:10::22/128 dev lo",
			want: []string{"failure vip-link"}, told: "ip addr del fd00:10::22/128 dev lo && ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0"},
		{name: "on the wrong interface", config: named, commands: leg + noVIP + "\nip addr add 10.10.10.22/32 dev eth1\nsysctl -w net.ipv4.conf.all.arp_ignore=1",
			want: []string{"failure vip-link"}, told: add + " && ip addr del 10.10.10.22/32 dev eth1"},
		{name: "R22", commands: "ip addr add 10.10.10.22/32 dev lo", want: []string{"warning vip-link ip addr del 10.10.10.22/32 dev lo"}},
		{name: "R22 of one that is a real server too", commands: "ip addr add 10.10.10.22/32 dev lo",
			config: "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.30}, {address: 10.10.10.31}]}]"},
		{name: "8 is mute", commands: "sysctl -w net.ipv4.conf.eth0.arp_ignore=8",
			want: []string{"failure vip-link sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1"}},
		{name: "2 is mute outside the subnet", config: "services: [{vip: 198.51.100.22, realServers: [{address: 10.10.10.31}]}]",
			commands: "ip addr add 198.51.100.22/32 dev eth0\nsysctl -w net.ipv4.conf.all.arp_ignore=2",
			want:     []string{"failure vip-link sysctl -w net.ipv4.conf.all.arp_ignore=1"}},
		{name: "2 answers in the subnet", commands: "sysctl -w net.ipv4.conf.all.arp_ignore=2"},
		{name: "V3", commands: "ip addr del fd00:10::22/128 dev eth0\nip addr add fd00:10::22/128 dev eth0 dadfailed preferred_lft 0",
			want: []string{"failure vip-dad"}, told: "ip addr del fd00:10::22/128 dev eth0 && ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0"},

		{name: "D3", commands: first + "ip addr add 10.10.10.30/24 dev eth0",
			want: []string{"failure vip-source " + add + " && " + promote + " && ip addr del 10.10.10.22/24 dev eth0"}},
		{name: "pitfall 3", commands: first, advised: true, want: []string{"failure vip-source"}},
		{name: "V1", commands: "ip addr change fd00:10::22/128 dev eth0 nodad\nip route add fd00:10::31 dev eth0 src fd00:10::22", advised: true,
			want: []string{"failure vip-source ip addr change fd00:10::22/128 dev eth0 preferred_lft 0"}},
		{name: "a route with the VIP as its source", commands: "ip route add 10.10.10.31 dev eth0 src 10.10.10.22", advised: true,
			want: []string{"failure vip-source ip route replace $(ip -o route get fibmatch 10.10.10.31 | sed 's/ src 10.10.10.22 / src 10.10.10.30 /')"}},
		{name: "the subnet on lo", commands: "ip addr add 10.10.10.22/24 dev lo label lo:0",
			want: []string{"failure vip-mask ip addr add 10.10.10.22/32 dev lo label lo:0 && ip addr del 10.10.10.22/24 dev lo"}, advised: true},

		{name: "D14", commands: "conn add tcp SYN_RECV 10.10.10.22:4000 10.10.10.22:80 10.10.10.31:80 60",
			want: []string{"warning arp-announce sysctl -w net.ipv4.conf.all.arp_announce=2"}},
		{name: "clients' connections", commands: "conn add tcp SYN_RECV 10.10.10.100:4000 10.10.10.22:80 10.10.10.31:80 60"},
		{name: "rp_filter on two NICs", commands: leg + "ip route del default via 10.10.10.1 dev eth0\nip route add default via 10.20.0.1 dev eth1\n" +
			"sysctl -w net.ipv4.conf.all.rp_filter=1", want: []string{"warning rp-filter sysctl -w net.ipv4.conf.eth0.rp_filter=2"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, cluster.DirectorRole, func() *lvsdrtest.World { return lvsdrtest.Director(shown, lvsdrtest.HealthyLAN()) })
		})
	}
}

// Before set-up, what it is about to mend does not stand in its way.
func TestAddressesBeforeSetUp(t *testing.T) {
	w := lvsdrtest.Director("ip addr add 10.10.10.22/24 dev lo", "ip link set eth0 carrier off")
	e := wireRole(t, cluster.DirectorRole, "").Exam(w.Host())
	e.Only, e.Stage = []string{"link", "vip-mask", "vip-link", "vip-source"}, doctor.BeforeSetUp
	for _, f := range e.Run(t.Context()) {
		if f.Severity == doctor.Failure || f.Severity == doctor.Unknown {
			t.Errorf("%s %s: %s", f.Severity, f.Check, f.What)
		}
	}
}

func TestLoopbackIsNoLAN(t *testing.T) {
	e := wireRole(t, cluster.RealServerRole, "").Exam(lvsdrtest.RealServer(quiet).Host())
	e.Only, e.Interface = []string{"link"}, "lo"
	if f := e.Run(t.Context()); len(f) != 1 || f[0].Severity != doctor.Failure {
		t.Errorf("%q", told(f))
	}
}

// What the kernel does not tell is no pass.
func TestAddressesUntold(t *testing.T) {
	for call, code := range map[string]string{
		"Links.Addresses": "vip-dad", "Routes.To": "vip", "Observer.Local": "vip-mask", "Sysctl.Get": "arp-ignore",
		"Observer.ARPDropped": "arp-ignore", "Observer.RouteOf": "return-route", "Wire.Ask": "return-gateway",
	} {
		w := lvsdrtest.RealServer(quiet, lvsdrtest.HealthyLAN())
		if call == "Observer.ARPDropped" {
			if err := w.Run("sysctl -w net.ipv4.conf.all.arp_ignore=0"); err != nil {
				t.Fatal(err)
			}
		}
		w.Fail(call, errors.Join(os.ErrPermission, errors.New(call)))
		e := wireRole(t, cluster.RealServerRole, "").Exam(w.Host())
		e.Only = []string{code}
		findings := e.Run(t.Context())
		if !slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Severity == doctor.Unknown }) {
			t.Errorf("%s fails: %q", call, told(findings))
		}
	}
}
