//go:build linux

package gallery

import "context"

var linkFaults = []Fault{{
	Name: "director-link-down", Catalogue: "D2",
	Title:  "the director's LAN interface is down",
	Inject: on("dev-1", "ip link set eth0 down"),
	Sights: []Sight{{Host: "dev-1", Code: "link"}, {Host: "client", Code: "vip-claim"}},
	Heal:   on("dev-1", "ip addr add fd00:10::30/64 dev eth0 nodad"),
}, {
	Name: "director-noarp", Catalogue: "D2",
	Title:  "the director's LAN interface does not answer ARP",
	Inject: on("dev-1", "ip link set eth0 arp off"),
	Sights: []Sight{{Host: "dev-1", Code: "link"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "vip-on-lan", Catalogue: "R6",
	Title:  "a real server has the VIP on its LAN interface too",
	Inject: on("dev-2", "ip addr add 10.10.10.22/32 dev eth0"),
	Sights: []Sight{{Host: "dev-2", Code: "vip-link"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "vip-on-lan-only", Catalogue: "R6",
	Title:  "a real server has the VIP on its LAN interface instead of loopback",
	Inject: on("dev-2", "ip addr del 10.10.10.22/32 dev lo; ip addr add 10.10.10.22/24 dev eth0"),
	Sights: []Sight{{Host: "dev-2", Code: "vip-link"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "director-vip-on-both", Catalogue: "R22",
	Title:  "the director has the VIP on lo as well, left over from a real server",
	Inject: on("dev-1", "ip addr add 10.10.10.22/32 dev lo"),
	Sights: []Sight{{Host: "dev-1", Code: "vip-link", Severity: "warning"}},
}}

var sourceFaults = []Fault{{
	Name: "vip-first", Catalogue: "D3",
	Title: "the director's VIP came first and with the LAN's mask: it speaks to real servers from it",
	Inject: all(served, on("dev-1", `ip addr add 192.0.2.7/32 dev eth0 # the last address takes the neighbours along
ip addr del 10.10.10.22/32 dev eth0; ip addr del 10.10.10.30/24 dev eth0
ip addr add 10.10.10.22/24 brd + dev eth0; ip addr add 10.10.10.30/24 brd + dev eth0; ip addr del 192.0.2.7/32 dev eth0`)),
	Sights: []Sight{{Host: "dev-1", Code: "vip-source"}},
}, {
	Name: "real-server-speaks-as-vip", Catalogue: "R17",
	Title:  "a real server's route to its LAN names the VIP as the source",
	Inject: on("dev-2", "ip route replace 10.10.10.0/24 dev eth0 proto kernel scope link src 10.10.10.22"),
	Sights: []Sight{{Host: "dev-2", Code: "vip-source", Severity: "warning"}},
}, {
	Name: "strict-two-legs", Catalogue: "R13",
	Title: "a two-legged real server answers by its other leg and filters by the reverse path",
	Inject: on("dev-2", `ip link add eth1 type dummy; ip link set eth1 up; ip addr add 10.20.0.31/24 dev eth1
ip route add default via 10.20.0.1 dev eth1; sysctl -qw net.ipv4.conf.all.rp_filter=1`),
	Sights: []Sight{{Host: "dev-2", Code: "rp-filter", Severity: "warning"}},
	// The fix leaves a loose filter, which drops what has no way back: not the next
	// fault's business.
	Heal: on("dev-2", "ip link del eth1; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0"),
}, {
	Name: "gateway-is-director", Catalogue: "R15",
	Title:  "a real server's gateway is the director, left over from NAT",
	Inject: on("dev-2", "ip route add default via 10.10.10.30"),
	Sights: []Sight{{Host: "dev-2", Code: "return-gateway"}},
	Heal:   on("dev-2", "ip route del default"),
}, {
	Name: "default-unreachable", Catalogue: "R14",
	Title:  "a real server refuses every address beyond the LAN",
	Inject: on("dev-2", "ip route add unreachable default"),
	Sights: []Sight{{Host: "dev-2", Code: "return-route", Severity: "warning"}},
	Heal:   on("dev-2", "ip route del unreachable default"),
}}

// served has the client served by every real server, so that the director knows their
// MAC addresses for a while.
func served(ctx context.Context, c *Cluster) error { return c.Serves(ctx) }

var ipv6Faults = []Fault{{
	Name: "vip6-preferred", Catalogue: "V1", Setup: flags6,
	Title:  "the director's IPv6 VIP is not deprecated and is picked as the source to real servers",
	Inject: on("dev-1", "ip addr change fd00:10::22/128 dev eth0 preferred_lft forever valid_lft forever"),
	Sights: []Sight{{Host: "dev-1", Code: "vip-source"}},
}, {
	Name: "vip6-dadfailed", Catalogue: "V2", Setup: flags6,
	Title: "a real server has the IPv6 VIP on its LAN interface, where it was found to be the director's",
	Inject: on("dev-2", `ip addr del fd00:10::22/128 dev lo; ip addr add fd00:10::22/128 dev eth0
until ip addr show dev eth0 | grep -q dadfailed; do sleep 0.1; done`),
	Sights: []Sight{{Host: "dev-2", Code: "vip-link"}, {Host: "dev-1", Code: "dr-path"}, {Host: "client", Code: "dr-path"}},
}, {
	Name: "director-vip6-dadfailed", Catalogue: "V3", Setup: flags6,
	Title: "the director found its IPv6 VIP on a real server's LAN interface and does not use it",
	Inject: all(on("dev-2", "ip addr add fd00:10::22/128 dev eth0 nodad"),
		on("dev-1", `ip addr del fd00:10::22/128 dev eth0; ip addr add fd00:10::22/128 dev eth0 preferred_lft 0
until ip addr show dev eth0 | grep -q dadfailed; do sleep 0.1; done`)),
	Sights: []Sight{{Host: "dev-2", Code: "vip-link"}, {Host: "dev-1", Code: "vip-dad"}, {Host: "dev-1", Code: "vip-claim"}, {Host: "client", Code: "vip-claim"}},
	Heal:   on("dev-1", "ip addr del fd00:10::22/128 dev eth0; ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0"),
}, {
	Name: "ipv6-off-on-lo", Catalogue: "V5", Setup: flags6,
	Title:  "a real server has IPv6 switched off on lo",
	Inject: on("dev-2", "sysctl -qw net.ipv6.conf.lo.disable_ipv6=1"),
	Sights: []Sight{{Host: "dev-2", Code: "ipv6-disabled"}, {Host: "dev-1", Code: "dr-path"}, {Host: "client", Code: "dr-path"}},
}}
