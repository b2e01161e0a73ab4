//go:build linux

package gallery

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The rules stand before all others: lvsdr's own openings come to stand before them
// again when its set-up is run.
var firewallFaults = []Fault{{
	Name: "input-drops", Catalogue: "F1", Needs: []lab.Feature{lab.IPTables},
	Title:  "the director's packet filter drops the port",
	Inject: on("dev-1", "iptables-legacy -I INPUT 1 -p tcp --dport 80 -j DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-in"}, {Host: "client", Code: "replies"}},
	Undo:   unfiltered("dev-1"),
}, {
	Name: "input-drops-nft", Catalogue: "F1", Needs: []lab.Feature{lab.NFT},
	Title:  "the director's nftables rules admit ssh and ping alone",
	Inject: on("dev-1", nft(`type filter hook input priority 0; policy drop; iif lo accept; ct state established,related accept; meta l4proto { icmp, ipv6-icmp } accept; tcp dport 22 accept;`)),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-in"}, {Host: "client", Code: "replies"}},
	Undo:   noNft("dev-1"),
}, {
	Name: "mangle-drops", Catalogue: "F1", Needs: []lab.Feature{lab.IPTables},
	Title:  "a rule in the table mangle, where set-up opens nothing, drops the port",
	Inject: on("dev-1", "iptables-legacy -t mangle -A PREROUTING -p tcp -m multiport --dports 80,443 -j DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-in"}, {Host: "client", Code: "replies"}},
	Undo:   unfiltered("dev-1"),
}, {
	Name: "output-drops", Catalogue: "F2", Needs: []lab.Feature{lab.IPTables},
	Title:  "the director's packet filter lets only its own connections out",
	Inject: on("dev-1", "iptables-legacy -A OUTPUT -p icmp -j ACCEPT; iptables-legacy -A OUTPUT -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT; iptables-legacy -P OUTPUT DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-out"}, {Host: "client", Code: "replies"}},
	Undo:   unfiltered("dev-1"),
}, {
	Name: "output-drops-nft", Catalogue: "F2", Needs: []lab.Feature{lab.NFT},
	Title:  "the director's nftables rules let only its own connections out",
	Inject: on("dev-1", nft(`type filter hook output priority 0; policy drop; meta l4proto { icmp, ipv6-icmp } accept; ct state new,established,related accept;`)),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-out"}, {Host: "client", Code: "replies"}},
	Undo:   noNft("dev-1"),
}, {
	Name: "invalid-drops", Catalogue: "F3", Needs: []lab.Feature{lab.IPTables},
	Title:  "the director drops what connection tracking calls invalid, the ends of all connections",
	Inject: on("dev-1", "iptables-legacy -A INPUT -p icmp -j ACCEPT; iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-invalid"}},
	Undo:   unfiltered("dev-1"),
}, {
	Name: "invalid-drops-nft", Catalogue: "F3", Needs: []lab.Feature{lab.NFT},
	Title:  "the director's nftables rules drop what connection tracking calls invalid",
	Inject: on("dev-1", nft(`type filter hook input priority 0; meta l4proto { icmp, ipv6-icmp } accept; ct state vmap { established : accept, related : accept, invalid : drop };`)),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-invalid"}},
	Undo:   noNft("dev-1"),
}, {
	Name: "vs-conntrack-invalid", Catalogue: "F4", Needs: []lab.Feature{lab.IPTables},
	Title:  "vs.conntrack and a rule against invalid packets: nothing passes after the SYN",
	Inject: on("dev-1", "iptables-legacy -A INPUT -p icmp -j ACCEPT; iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP; sysctl -qw net.ipv4.vs.conntrack=1"),
	Sights: []Sight{{"dev-1", "ipvs-sysctl", doctor.Warning}, {Host: "dev-1", Code: "firewall-invalid"}},
	Heal:   on("dev-1", "lvsdr setup director -q "+Flags),
	Undo:   unfiltered("dev-1"),
}, {
	Name: "stateful-input", Catalogue: "F6", Needs: []lab.Feature{lab.IPTables},
	Title:  "the director's packet filter admits SYNs and established connections, of which it sees none",
	Inject: on("dev-1", "iptables-legacy -A INPUT -p icmp -j ACCEPT; iptables-legacy -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT; iptables-legacy -A INPUT -p tcp --syn --dport 80 -j ACCEPT; iptables-legacy -P INPUT DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-stateful"}},
	Undo:   unfiltered("dev-1"),
}, {
	Name: "stateful-input-nft", Catalogue: "F6", Needs: []lab.Feature{lab.NFT},
	Title:  "the director's nftables rules admit SYNs and established connections, of which it sees none",
	Inject: on("dev-1", nft(`type filter hook input priority 0; policy drop; meta l4proto { icmp, ipv6-icmp } accept; ct state established,related accept; tcp dport 80 tcp flags & (fin|syn|rst|ack) == syn accept;`)),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-stateful"}},
	Undo:   noNft("dev-1"),
}, {
	Name: "rip-only", Catalogue: "R10", Needs: []lab.Feature{lab.IPTables},
	Title: "a real server's packet filter admits the port at its own address alone",
	Inject: on("dev-2", "iptables-legacy -A INPUT -p icmp -j ACCEPT; iptables-legacy -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT; "+
		"iptables-legacy -A INPUT -d 10.10.10.31 -p tcp --dport 80 -j ACCEPT; iptables-legacy -P INPUT DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
	Undo:   unfiltered("dev-2"),
}, {
	Name: "rip-only-nft", Catalogue: "R10", Needs: []lab.Feature{lab.NFT},
	Title:  "a real server's nftables rules admit the port at its own address alone",
	Inject: on("dev-2", nft(`type filter hook input priority 0; policy drop; meta l4proto { icmp, ipv6-icmp } accept; ct state established,related accept; ip daddr 10.10.10.31 tcp dport 80 accept;`)),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
	Undo:   noNft("dev-2"),
}, {
	Name: "replies-dropped", Catalogue: "F2", Needs: []lab.Feature{lab.IPTables},
	Title:  "a real server's packet filter lets nothing out that is not from its own address",
	Inject: on("dev-2", "iptables-legacy -A OUTPUT ! -s 10.10.10.31 -p tcp --sport 80 -j DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-out"}),
	Undo:   unfiltered("dev-2"),
}, {
	Name: "icmp-drops", Catalogue: "O2", Needs: []lab.Feature{lab.IPTables},
	Title:  "the director drops what routers say about the size of packets",
	Inject: on("dev-1", "iptables-legacy -A INPUT -p icmp --icmp-type echo-request -j ACCEPT; iptables-legacy -A INPUT -p icmp -j DROP"),
	Sights: []Sight{{"dev-1", "firewall-icmp", doctor.Warning}},
	Undo:   unfiltered("dev-1"),
}, {
	Name: "icmp-invalid", Catalogue: "O2", Needs: []lab.Feature{lab.IPTables}, Setup: Flags + " --persistence 30s",
	Title:  "the director drops what is invalid, but for the port: a router's word on packet sizes is, too",
	Make:   all(largePages, narrowWay),
	Inject: on("dev-1", "iptables-legacy -A INPUT -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT; iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP"),
	Recur:  routesForgotten,
	Sights: []Sight{{"dev-1", "firewall-icmp", doctor.Warning}, {Host: "client", Code: "large-replies"}},
}, {
	Name: "neighbour-discovery", Catalogue: "V9", Needs: []lab.Feature{lab.IPTables}, Setup: flags6,
	Title:  "the director's IPv6 packet filter drops neighbour discovery",
	Inject: on("dev-1", "ip6tables-legacy -t mangle -A INPUT -p ipv6-icmp --icmpv6-type neighbour-solicitation -j DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-nd"}, {Host: "client", Code: "vip-claim"}},
	Undo:   unfiltered("dev-1"),
}}

// unfiltered is an Undo that leaves the host no rule of iptables', noNft none of nftables'.
func unfiltered(host string) func(context.Context, *Cluster) error {
	return on(host, `for ipt in iptables-legacy ip6tables-legacy; do
	$ipt -P INPUT ACCEPT; $ipt -P OUTPUT ACCEPT; $ipt -F; $ipt -t mangle -F
done`)
}

func noNft(host string) func(context.Context, *Cluster) error { return on(host, "nft flush ruleset") }

// nft is the command that adds a chain in a table of its own.
func nft(chain string) string {
	return "nft -f - <<'EOF'\ntable inet test {\nchain c {\n" + chain + "\n}\n}\nEOF"
}

var firewallVariants = []Healthy{{
	Name: "forward-drops", Catalogue: "FP2", Needs: []lab.Feature{lab.IPTables},
	Title: "packets of direct routing do not take the chain FORWARD",
	Make:  on("dev-1", "iptables-legacy -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP"),
}, {
	Name: "invalid-after-accept", Catalogue: "FP26", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title: "what is invalid is dropped, but the VIP's packets are accepted before, or not tracked",
	Make: all(handMade(handTable),
		on("dev-1", "iptables-legacy -A INPUT -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT; iptables-legacy -A INPUT -p icmp -j ACCEPT; iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP"),
		on("dev-1", "iptables-legacy -t raw -A PREROUTING -d 10.10.10.22 -p tcp --dport 80 -j CT --notrack; iptables-legacy -t mangle -A PREROUTING -p tcp -m conntrack --ctstate INVALID -j DROP"),
	),
}, {
	Name: "redirect", Catalogue: "FP5", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title: "the real servers take the VIP's packets by REDIRECT and have no VIP",
	Make: all(handMade(handTable),
		on("dev-2", takesByRedirect), on("dev-3", takesByRedirect),
	),
}, {
	Name: "admitting", Needs: []lab.Feature{lab.IPTables},
	Title: "packet filters that admit little, but what the cluster needs, and ban some",
	Make:  all(on("dev-1", closedFilter+"; lvsdr setup director -q "+Flags), on("dev-2", closedFilter+"; lvsdr setup realserver -q "+Flags)),
}, {
	Name: "admitting-nft", Needs: []lab.Feature{lab.NFT},
	Title: "nftables rules that admit little, but what the cluster needs, ban some and bound floods",
	Make:  all(on("dev-1", closedNft+"\nlvsdr setup director -q "+Flags), on("dev-2", closedNft+"\nlvsdr setup realserver -q "+Flags)),
}}

const takesByRedirect = "ip addr del 10.10.10.22/32 dev lo; iptables-legacy -t nat -A PREROUTING -d 10.10.10.22 -p tcp --dport 80 -j REDIRECT"

const closedFilter = `iptables-legacy -N bans; iptables-legacy -A bans -s 192.0.2.0/24 -j DROP; iptables-legacy -A INPUT -j bans
iptables-legacy -A INPUT -i lo -j ACCEPT; iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables-legacy -A INPUT -p icmp --icmp-type echo-request -j ACCEPT; iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT
iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP; iptables-legacy -P INPUT DROP`

const closedNft = `nft -f - <<'EOF'
table inet filter {
	set bad { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
	set flood { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1m; }
	chain input {
		type filter hook input priority 0; policy drop;
		ip saddr @bad drop
		tcp flags syn update @flood { ip saddr limit rate over 5000/second } drop
		iif lo accept
		icmp type echo-request accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ct state vmap { established : accept, related : accept, invalid : drop }
		tcp dport 22 accept
	}
	chain output {
		type filter hook output priority 0; policy accept;
		ct state invalid log prefix "odd "
	}
}
EOF`
