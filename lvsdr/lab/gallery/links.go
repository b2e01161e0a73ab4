//go:build linux

package gallery

import (
	"context"
	"fmt"
	"strings"
)

// lanKinds make the LAN's interface of a host of eth0, which has given its addresses
// back: commands that end with an interface "lan". %d is the host's own number, for
// addresses.
var lanKinds = map[string]string{
	"vlan":           "ip link add link eth0 name lan type vlan id 4",
	"vlan-in-frame":  "ip link add link eth0 name lan type vlan id 4 reorder_hdr off",
	"vlan-on-bond":   bond("bond9", "active-backup") + "; ip link set bond9 up; ip link add link bond9 name lan type vlan id 4",
	"bridge-on-vlan": "ip link add link eth0 name eth0.4 type vlan id 4; ip link set eth0.4 up; ip link add lan type bridge; ip link set eth0.4 master lan",
	"qinq":           qinq + "type vlan id 4",
	"qinq-in-frame":  qinq + "type vlan id 4 reorder_hdr off",
	"active-backup":  bond("lan", "active-backup"),
	"balance-alb":    bond("lan", "balance-alb"),
	"bridge":         "ip link add lan type bridge; ip link set eth0 master lan",
	// Without arp_ignore eth0 too would answer for what the macvlan has.
	"macvlan": "ip link add link eth0 name lan address 02:00:00:00:01:%02[1]d type macvlan mode bridge; sysctl -qw net.ipv4.conf.eth0.arp_ignore=1",
	"ipvlan":  "ip link add link eth0 name lan type ipvlan mode l2",
	"vxlan":   "ip addr add 192.0.2.%[1]d/24 dev eth0; ip link set eth0 up; ip link add lan type vxlan id 4 dev eth0 group 239.1.1.1 dstport 4789",
	// A port of a VRF is in the VRF's routing table; servers and connections of the main
	// one get what comes in there when l3mdev_accept says so (Documentation/networking/vrf.rst).
	"vrf": `ip link set eth0 down; ip link set eth0 name lan; ip link add red type vrf table 10; ip link set red up; ip link set lan master red
sysctl -qw net.ipv4.tcp_l3mdev_accept=1 net.ipv4.udp_l3mdev_accept=1`,
}

const qinq = "ip link add link eth0 name eth0.100 type vlan id 100; ip link set eth0.100 up; ip link add link eth0.100 name lan "

func bond(name, mode string) string {
	return fmt.Sprintf("ip link add %[1]s type bond mode %[2]s miimon 100; ip link set eth0 down; ip link set eth0 master %[1]s", name, mode)
}

// lanOf rebuilds each host's LAN interface as one of a kind and moves its address there.
func lanOf(client, director, first, second string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		for i, kind := range []string{client, director, first, second} {
			commands, ok := lanKinds[kind]
			if !ok {
				return fmt.Errorf("there is no LAN interface of the kind %q", kind)
			}
			if strings.Contains(commands, "%") {
				commands = fmt.Sprintf(commands, i+1)
			}
			h := c.Hosts()[i]
			err := c.Sh(ctx, h.Name, fmt.Sprintf("ip addr flush dev eth0\n%s\n[ ! -e /proc/sys/net/ipv4/conf/eth0 ] || ip link set eth0 up\n"+
				"ip link set lan up; ip addr add %s brd + dev lan", commands, h.IPv4))
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// proved sets the cluster up and has set-up itself prove that it works.
func proved(ctx context.Context, c *Cluster) error {
	for _, h := range c.RealServers {
		if err := c.Sh(ctx, h.Name, "lvsdr setup realserver -q --passive "+Flags); err != nil {
			return err
		}
	}
	return c.Sh(ctx, c.Director.Name, "lvsdr setup director -q "+Flags)
}

// lanOn is a cluster on such interfaces.
func lanOn(client, director, first, second string) func(context.Context, *Cluster) error {
	return all(lanOf(client, director, first, second), proved)
}

// linkVariants are the kinds of LAN interfaces, several in each cluster.
var linkVariants = []Healthy{{
	Name: "lan-vlan", Title: "the LAN is a VLAN, on a card, a bond, a bridge, and with the tag left in the frame", Setup: "-",
	Make: lanOn("bridge-on-vlan", "vlan-on-bond", "vlan", "vlan-in-frame"),
}, {
	Name: "lan-vlan-bridge", Title: "the same, the director on a bridge", Setup: "-",
	Make: lanOn("vlan-in-frame", "bridge-on-vlan", "vlan-on-bond", "bridge-on-vlan"),
}, {
	Name: "lan-qinq", Title: "the LAN is a VLAN in a VLAN", Setup: "-", Make: lanOn("qinq-in-frame", "qinq", "qinq", "qinq-in-frame"),
}, {
	Name: "lan-bond", Title: "the LAN's interfaces are bonds, a bridge and a macvlan", Setup: "-",
	Make: lanOn("macvlan", "active-backup", "balance-alb", "bridge"),
}, {
	Name: "lan-alb", Title: "the director's LAN interface is a bond that balances what it receives", Setup: "-",
	Make: lanOn("ipvlan", "balance-alb", "ipvlan", "macvlan"),
}, {
	Name: "lan-macvlan", Title: "the director's LAN interface is a macvlan, a real server is in a VRF", Setup: "-",
	Make: lanOn("balance-alb", "macvlan", "vrf", "active-backup"),
}, {
	Name: "lan-ipvlan", Title: "the director's LAN interface is an ipvlan, which hears no answer to an ARP probe", Setup: "-",
	Make: lanOn("active-backup", "ipvlan", "bridge", "ipvlan"),
}, {
	Name: "lan-vxlan", Title: "the LAN is a VXLAN, of 1450 bytes a packet", Setup: "-", Make: lanOn("vxlan", "vxlan", "vxlan", "vxlan"),
}, {
	Name: "lan-vrf", Title: "the director's LAN interface is in a VRF, and in the main table is its route, which IPVS takes", Setup: "-",
	Make: all(lanOf("balance-alb", "vrf", "balance-alb", "vrf"), on("dev-1", "ip route add 10.10.10.0/24 dev lan"), proved),
}, {
	Name: "vmac", Title: "the VIP is on an interface with VRRP's MAC address", Setup: "-",
	Make: all(handMade(handTable), on("dev-1", `ip addr del 10.10.10.22/32 dev eth0
ip link add link eth0 name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private
sysctl -qw net/ipv4/conf/eth0/arp_ignore=1 net/ipv4/conf/eth0/arp_filter=1 net/ipv4/conf/vrrp.51/arp_ignore=1
ip link set vrrp.51 up; ip addr add 10.10.10.22/32 dev vrrp.51`)),
}}

// lanFaults are those of a LAN that is a VLAN.
var lanFaults = []Fault{{
	Name: "vlan-arp-ignore-0", Catalogue: "R1", Setup: "-",
	Title:  "a real server on a VLAN answers ARP for the VIP",
	Make:   lanOn("vlan-on-bond", "vlan", "bridge-on-vlan", "vlan"),
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lan.arp_ignore=0"),
	Sights: seenOnWire("vip-claim", Sight{Host: "dev-2", Code: "arp-ignore"}),
}, {
	Name: "vlan-vip-in-use", Catalogue: "N9", Setup: "-",
	Title: "another machine on the VLAN has the VIP, which set-up does not take then",
	Make: all(lanOf("vlan", "vlan-on-bond", "vlan", "vlan-in-frame"), vipOnVLAN,
		on("dev-1", "if lvsdr setup director -q "+Flags+"; then echo 'set-up took the VIP' >&2; exit 1; fi"),
		stranger("ip link del lan"), proved),
	Inject: vipOnVLAN,
	Sights: seenOnWire("vip-claim"),
	Heal:   stranger("ip link del lan"),
}}

var vipOnVLAN = stranger(`ip addr flush dev eth0; ip link add link eth0 name lan type vlan id 4
ip link set lan up; ip addr add 10.10.10.22/24 dev lan`)
