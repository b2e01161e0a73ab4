//go:build linux

package gallery

import (
	"context"
	"strings"
)

var addrVariants = []Healthy{{
	Name: "vip-on-dummy", Title: "a real server has the VIP on a dummy", Catalogue: "FP5", Setup: "-",
	Make: all(handMade(handTable), on("dev-2", `ip addr del 10.10.10.22/32 dev lo
ip link add dummy0 type dummy; ip link set dummy0 up; ip addr add 10.10.10.22/32 dev dummy0`)),
}, {
	Name: "vip-as-local-route", Title: "a real server has a local route in place of the address", Catalogue: "FP5", Setup: "-",
	Make: all(handMade(handTable), on("dev-2", "ip addr del 10.10.10.22/32 dev lo; ip route add local 10.10.10.22 dev lo")),
}, {
	Name: "ingress-only", Title: "only the LAN interface has the ARP sysctls", Catalogue: "FP7", Setup: "-",
	Make: all(handMade(handTable), on("dev-2", `sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0
sysctl -qw net.ipv4.conf.lo.arp_ignore=0 net.ipv4.conf.lo.arp_announce=0
sysctl -qw net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.arp_announce=2`)),
}, {
	Name: "arp-ignore-2", Title: "arp_ignore=2 is as silent for the VIP", Catalogue: "FP6", Setup: "-",
	Make: all(handMade(handTable), on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=2")),
}, {
	Name: "arp-ignore-3-scope-host", Title: "arp_ignore=3 is silent for a VIP of scope host", Catalogue: "FP6", Setup: "-",
	Make: all(handMade(handTable), on("dev-2", `ip addr del 10.10.10.22/32 dev lo; ip addr add 10.10.10.22/32 dev lo scope host
sysctl -qw net.ipv4.conf.all.arp_ignore=3`)),
}, {
	Name: "arp-ignore-8-elsewhere", Title: "arp_ignore=8 on interfaces that are not the LAN's", Catalogue: "FP6", Setup: "-",
	Make: all(handMade(handTable), on("dev-2", `ip link add dummy0 type dummy; ip link set dummy0 up
sysctl -qw net.ipv4.conf.dummy0.arp_ignore=8 net.ipv4.conf.lo.arp_ignore=8`)),
}, {
	Name: "arp-ignore-8-written-down", Title: "a real server answers ARP for nothing, and the director has it written down", Catalogue: "FP6",
	Make: all(on("dev-2", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=8"), func(ctx context.Context, c *Cluster) error {
		return c.Sh(ctx, "dev-1", "ip neigh replace 10.10.10.31 dev eth0 nud permanent lladdr "+c.Host("dev-2").MAC.String())
	}),
}, {
	Name: "no-forwarding", Title: "direct routing forwards without ip_forward", Catalogue: "FP1",
	Make: on("dev-1", "sysctl -qw net.ipv4.ip_forward=0"),
}, {
	Name: "director-arp-ignore-1", Title: "the director has the VIP on the interface that is asked", Catalogue: "FP8",
	Make: on("dev-1", "sysctl -qw net.ipv4.conf.all.arp_ignore=1"),
}, {
	Name: "director-two-nics", Title: "the director has a second network, with its default gateway",
	Make: on("dev-1", `ip link add eth1 type dummy; ip link set eth1 up; ip addr add 10.20.0.30/24 dev eth1
ip route add default via 10.20.0.1 dev eth1`),
}, {
	Name: "strict-one-nic", Title: "with one interface the reverse path is always right", Catalogue: "FP18",
	Make: all(on("dev-1", "sysctl -qw net.ipv4.conf.all.rp_filter=1"), on("dev-2", "sysctl -qw net.ipv4.conf.all.rp_filter=1")),
}, {
	Name: "loose-two-nics", Title: "a loose reverse path filter drops nothing that has a route", Catalogue: "FP19",
	Make: on("dev-2", `sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=2
ip link add eth1 type dummy; ip link set eth1 up; ip addr add 10.20.0.31/24 dev eth1; ip route add default via 10.20.0.1 dev eth1`),
}, {
	Name: "ipv6", Title: "a cluster on IPv6, its VIP deprecated on the director", Catalogue: "FP14", Setup: flags6,
}, {
	Name: "by-hand", Title: "a cluster made with ip, sysctl and ipvsadm; the director has no ARP sysctls", Setup: "-",
	Make: all(handMade("ipvsadm --set 30 5 60\n"+strings.Replace(handTable, "wrr", "wrr -p 20", 1)),
		on("dev-1", "sysctl -qw net.ipv4.conf.all.arp_announce=0")),
}}
