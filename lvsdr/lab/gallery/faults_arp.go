//go:build linux

package gallery

var arpFaults = []Fault{{
	Name: "arp-ignore-0", Catalogue: "R1",
	Title:  "a real server answers ARP for the VIP",
	Inject: on("dev-2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0"),
	Sights: []Sight{{Host: "dev-2", Code: "arp-ignore"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}}
