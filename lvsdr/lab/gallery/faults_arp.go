//go:build linux

package gallery

import "context"

var arpFaults = []Fault{{
	Name: "arp-ignore-0", Catalogue: "R1",
	Title:  "a real server answers ARP for the VIP",
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "arp-ignore-lo-only", Catalogue: "R2", Setup: "-",
	Title:  "a real server has arp_ignore=1 on lo alone, which has no say",
	Inject: all(byHand, on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lo.arp_ignore=1")),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "arp-ignore-3", Catalogue: "R1",
	Title:  "a real server's LAN interface has arp_ignore=3, which is more than 1 and answers",
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=3"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "arp-ignore-8", Catalogue: "FP6",
	Title:  "a real server answers ARP for nothing, its own address included",
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=8"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "real-server"}, {Host: "client", Code: "real-server"}},
}, {
	Name: "arp-announce-0", Catalogue: "R3",
	Title:  "a real server asks ARP in the VIP's name",
	Inject: all(acquainted, on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_announce=0")),
	Sights: []Sight{{Host: "dev-2", Code: "arp-announce"}},
}, {
	Name: "arp-announce-1", Catalogue: "R4",
	Title:  "a real server has arp_announce=1, and the VIP is in its LAN's subnet",
	Inject: all(acquainted, on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_announce=1")),
	Sights: []Sight{{Host: "dev-2", Code: "arp-announce"}},
}, {
	Name: "director-asks-as-vip", Catalogue: "D14",
	Title: "somebody tries the VIP on the director, which asks ARP for the real servers in the VIP's name",
	Inject: all(on("dev-1", "sysctl -qw net.ipv4.conf.all.arp_announce=0; timeout 1 bash -c '</dev/tcp/10.10.10.22/80' || true; "+
		"for rip in 10.10.10.31 10.10.10.32; do echo > /dev/udp/$rip/9; done 2>/dev/null || true")),
	Sights: []Sight{{Host: "dev-1", Code: "arp-announce", Severity: "warning"}},
}}

// acquainted has dev-2 know the MAC addresses of its LAN, so that it asks nobody
// while the others listen: whom it asks and when would be chance.
func acquainted(ctx context.Context, c *Cluster) error {
	return c.Sh(ctx, "dev-2", `exec bash -ec '
for host in 10.10.10.100 10.10.10.30 10.10.10.32; do
	echo > /dev/udp/$host/9 || true
	until ip neigh show $host | grep -q lladdr; do sleep 0.1; done
done' 2>/dev/null`)
}

// byHand sets the documentation's cluster up without lvsdr, as people do.
func byHand(ctx context.Context, c *Cluster) error {
	for _, h := range c.RealServers {
		if err := c.Sh(ctx, h.Name, `
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
sysctl -qw net.ipv4.conf.lo.arp_ignore=1 net.ipv4.conf.lo.arp_announce=2
ip addr replace 10.10.10.22/32 dev lo label lo:0`); err != nil {
			return err
		}
	}
	return c.Sh(ctx, c.Director.Name, `
ip addr replace 10.10.10.22/32 dev eth0 label eth0:0
modprobe -a ip_vs ip_vs_wrr
ipvsadm -C
ipvsadm --set 30 5 60
ipvsadm -A -t 10.10.10.22:80 -s wrr -p 20
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1`)
}
