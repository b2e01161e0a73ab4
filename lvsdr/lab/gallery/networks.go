//go:build linux

package gallery

import (
	"context"
	"fmt"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// routedFlags are those of a cluster whose VIP is in no subnet of its hosts and is routed
// to the director, the hosts of the kernel's own test of IPVS (ipvs.sh in
// tools/testing/selftests/net/netfilter): the director sends by a network of its own with
// the real servers, and they answer by the one of the clients.
const routedFlags = "--vip 207.175.44.110 -p 8080 -r 172.16.0.31 -r 172.16.0.32"

const routedURL = "http://207.175.44.110:8080/"

func routedVIP(ctx context.Context, c *Cluster) error {
	for i, h := range append([]*lab.Host{c.Director}, c.RealServers...) {
		err := c.Sh(ctx, h.Name, fmt.Sprintf("ip link add link eth0 name leg type vlan id 5; ip link set leg up; ip addr add 172.16.0.%d/24 dev leg", 30+i))
		if err == nil && h != c.Director {
			err = c.Serve(h.Name, ":8080")
		}
		if err != nil {
			return err
		}
	}
	c.Flags = routedFlags
	return all(
		on("client", "ip route add 207.175.44.110 via 10.10.10.30"),
		on("dev-2", "lvsdr setup realserver -q --vip 207.175.44.110 -p 8080; lvsdr doctor -q; lvsdr setup realserver -q "+routedFlags),
		on("dev-3", "lvsdr setup realserver -q "+routedFlags),
		on("dev-1", "lvsdr setup director -q "+routedFlags),
	)(ctx, c)
}

// twoSubnets is a cluster on one wire, its real servers in another subnet than the VIP.
func twoSubnets(ctx context.Context, c *Cluster) error {
	c.Flags = "--vip 10.10.10.22 -r 10.20.0.31 -r 10.20.0.32"
	for i, h := range c.RealServers {
		err := c.Sh(ctx, h.Name, fmt.Sprintf("ip addr flush dev eth0; ip addr add 10.20.0.%d/24 dev eth0; ip route add default via 10.20.0.1 dev eth0 onlink\n"+
			"lvsdr setup realserver -q --passive "+c.Flags, 31+i))
		if err != nil {
			return err
		}
	}
	return all(
		on("client", "ip addr add 10.20.0.1/24 dev eth0"), // the router of both
		on("dev-1", "ip addr add 10.20.0.30/24 dev eth0; lvsdr setup director -q "+c.Flags),
	)(ctx, c)
}

var networkFaults = []Fault{{
	Name: "routed-strict-leg", Catalogue: "R13", Setup: "-",
	Title:  "the VIP is routed to the director, and a real server filters by the reverse path where the director's packets come in",
	Make:   routedVIP,
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.leg.rp_filter=1"),
	Sights: []Sight{{Host: "dev-2", Code: "rp-filter", Severity: "warning"}, {Host: "client", Code: "replies"}},
}, {
	Name: "two-subnets-arp-ignore-0", Catalogue: "R1", Setup: "-",
	Title:  "the real servers are in another subnet than the VIP on the same wire, and one answers ARP for it",
	Make:   twoSubnets,
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0"),
	Sights: seenOnWire("vip-claim", Sight{Host: "dev-2", Code: "arp-ignore"}),
}}

var networkVariants = []Healthy{{
	Name: "routed-vip", Title: "a VIP in no subnet of the hosts, routed to the director, which sends by a network of its own", Setup: "-", Make: routedVIP,
}, {
	Name: "two-subnets", Title: "the real servers are in another subnet than the VIP, on the same wire", Setup: "-", Make: twoSubnets,
}}
