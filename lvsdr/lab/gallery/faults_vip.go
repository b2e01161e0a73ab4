//go:build linux

package gallery

// The VIP is missing, on the wrong interface, too wide, or the only address.
var vipFaults = []Fault{{
	Name: "wide-mask", Catalogue: "R5",
	Title:  "the VIP on a real server's lo is a /24: it takes the whole subnet for its own addresses",
	Inject: on("dev-2", "ip addr del 10.10.10.22/32 dev lo; ip addr add 10.10.10.22/24 dev lo label lo:0"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "vip-mask"}),
}, {
	Name: "vip-missing", Catalogue: "R7",
	Title:  "a real server lost the VIP",
	Inject: on("dev-2", "ip addr del 10.10.10.22/32 dev lo"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "vip"}),
}, {
	Name: "director-vip-gone", Catalogue: "D2",
	Title:  "the director lost the VIP",
	Inject: on("dev-1", "ip addr del 10.10.10.22/32 dev eth0"),
	Sights: []Sight{{Host: "dev-1", Code: "vip"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "hand-made-vip-gone", Catalogue: "D2", Setup: "-",
	Title:   "a director made by hand lost the VIP",
	Make:    handMade(handTable),
	Inject:  on("dev-1", "ip addr del 10.10.10.22/32 dev eth0"),
	Sights:  []Sight{{Host: "dev-1", Code: "vip"}, {Host: "client", Code: "vip-claim"}},
	Advised: "ip addr add 10.10.10.22/32 dev eth0 label eth0:0",
}, {
	Name: "hand-made-vip-on-lo", Catalogue: "D1", Setup: "-",
	Title: "a director made by hand has the VIP on lo and arp_ignore=1",
	Make:  handMade(handTable),
	Inject: on("dev-1", `ip addr del 10.10.10.22/32 dev eth0
ip addr add 10.10.10.22/32 dev lo
sysctl -qw net.ipv4.conf.all.arp_ignore=1`),
	Sights:  []Sight{{Host: "dev-1", Code: "vip-link"}, {Host: "client", Code: "vip-claim"}},
	Advised: "ip addr add 10.10.10.22/32 dev eth0 label eth0:0 && ip addr del 10.10.10.22/32 dev lo",
}, {
	Name: "director-vip-on-lo", Catalogue: "D1",
	Title: "the director has the VIP on lo and arp_ignore=1, the recipe of a real server: nobody answers for it",
	Inject: on("dev-1", `ip addr del 10.10.10.22/32 dev eth0
ip addr add 10.10.10.22/32 dev lo
sysctl -qw net.ipv4.conf.all.arp_ignore=1`),
	Sights: []Sight{{Host: "dev-1", Code: "vip-link"}, {Host: "client", Code: "vip-claim"}},
	Heal:   on("dev-1", "sysctl -qw net.ipv4.conf.all.arp_ignore=0"),
}, {
	Name: "only-the-vip", Catalogue: "D14",
	Title: "the director has the VIP as its only address: real servers do not answer its ARP questions",
	Inject: on("dev-1", `ip addr flush dev eth0
ip addr add 10.10.10.22/24 brd + dev eth0
ip neigh flush dev eth0`),
	Sights: []Sight{{Host: "dev-1", Code: "vip-source"}, {Host: "client", Code: "replies"}},
	InTurn: true, // the director's doctor asks real servers in a way that they answer, and its kernel learns of it
	Heal: on("dev-1", `ip addr flush dev eth0
ip addr add 10.10.10.30/24 brd + dev eth0
ip addr add 10.10.10.22/32 dev eth0 label eth0:0`),
}}
