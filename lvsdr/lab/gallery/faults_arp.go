//go:build linux

package gallery

var arpFaults = []Fault{{
	Name: "arp-ignore-0", Catalogue: "R1",
	Title:  "a real server answers ARP for the VIP",
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "arp-ignore-lo-only", Catalogue: "R2", Setup: "-",
	Title:  "a real server has arp_ignore=1 on lo alone, which has no say",
	Make:   handMade(handTable),
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lo.arp_ignore=1"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "arp-ignore-3", Catalogue: "R1", Setup: "-", // set-up's VIP has scope host: silent
	Title:  "a real server's LAN interface has arp_ignore=3, which is more than 1 and answers for a VIP of scope global",
	Make:   handMade(handTable),
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=3"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "arp-ignore-8", Catalogue: "FP6",
	Title:  "a real server answers ARP for nothing, its own address included",
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=8"),
	Sights: []Sight{{Host: "dev-1", Code: "real-server"}},
	Heal:   on("dev-2", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=0"),
}, {
	Name: "director-asks-as-vip", Catalogue: "D14",
	Title: "somebody tries the VIP on the director, which asks ARP for the real servers in the VIP's name",
	Inject: all(on("dev-1", "sysctl -qw net.ipv4.conf.all.arp_announce=0; "+
		"until grep -q '^TCP 0A0A0A16' /proc/net/ip_vs_conn; do timeout 3 bash -c '</dev/tcp/10.10.10.22/80' || true; done; "+
		"for rip in 10.10.10.31 10.10.10.32; do echo > /dev/udp/$rip/9; done 2>/dev/null || true")),
	Sights: []Sight{{Host: "dev-1", Code: "arp-announce", Severity: "warning"}},
}}
