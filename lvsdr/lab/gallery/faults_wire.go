//go:build linux

package gallery

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// seenOnWire are the sights of a fault that director and client both see on the
// wire, after those of its cause.
func seenOnWire(code string, cause ...Sight) []Sight {
	return append(cause, Sight{Host: "dev-1", Code: code}, Sight{Host: "client", Code: code})
}

// asksAnew has a host ask ARP for whom it sends to.
const asksAnew = "ip neigh flush dev eth0"

// staleVIP has a client send what is for the VIP to nobody.
const staleVIP = "ip neigh replace 10.10.10.22 lladdr $(cat /sys/class/net/eth0/address) dev eth0 nud stale"

// claimFaults: somebody else says to have the VIP.
var claimFaults = []Fault{{
	Name: "asks-as-vip", Catalogue: "R3",
	Title: "a real server asks ARP questions as the VIP, and everybody who hears them takes it for the VIP",
	Inject: on("dev-2", `sysctl -qw net.ipv4.conf.all.arp_announce=0 net.ipv4.conf.eth0.arp_announce=0
		ip neigh flush dev eth0`),
	Recur:  on("dev-2", asksAnew),
	Sights: seenOnWire("vip-claim", Sight{Host: "dev-2", Code: "arp-announce"}),
}, {
	Name: "asks-as-vip-on-link", Catalogue: "R4",
	Title: "arp_announce=1 asks as the VIP where the VIP is in the interface's subnet",
	Inject: on("dev-2", `sysctl -qw net.ipv4.conf.all.arp_announce=1 net.ipv4.conf.eth0.arp_announce=0
		ip neigh flush dev eth0`),
	Recur:  on("dev-2", asksAnew),
	Sights: seenOnWire("vip-claim", Sight{Host: "dev-2", Code: "arp-announce"}),
}, {
	Name: "asks-as-vip-told-elsewhere", Catalogue: "R3",
	Title: "the same, and a person follows what the director's doctor says",
	Inject: on("dev-2", `sysctl -qw net.ipv4.conf.all.arp_announce=0 net.ipv4.conf.eth0.arp_announce=0
		ip neigh flush dev eth0`),
	Recur:  on("dev-2", asksAnew),
	Sights: append(seenOnWire("vip-claim"), Sight{Host: "dev-2", Code: "arp-announce"}),
}, {
	Name: "two-directors", Catalogue: "D15",
	Title:  "another director has the VIP too",
	Inject: stranger("ip addr add 10.10.10.22/32 dev eth0"),
	Sights: seenOnWire("vip-claim"),
	Heal:   stranger("ip addr del 10.10.10.22/32 dev eth0"),
}, {
	Name: "vip-in-use", Catalogue: "N9",
	Title:  "another machine has the VIP as its own address",
	Inject: stranger("ip addr flush dev eth0; ip addr add 10.10.10.22/24 dev eth0"),
	Sights: seenOnWire("vip-claim"),
	Heal:   stranger("ip addr flush dev eth0; ip addr add 10.10.10.200/24 dev eth0"),
}, {
	Name: "proxy-arp-for-vip", Catalogue: "N8",
	Title:  "a router's proxy ARP answers for the VIP",
	Inject: stranger(proxyFor("10.10.10.22")),
	Sights: seenOnWire("vip-claim"),
	Heal:   stranger(noProxy),
}, {
	Name: "stale-neighbour", Catalogue: "R24",
	Title:  "a client still takes a real server for the VIP, from a time when that one answered",
	Inject: on("client", staleVIP),
	Recur:  on("client", staleVIP), // the kernel asks anew at the next request
	Sights: []Sight{{Host: "client", Code: "vip-neighbour"}},
}, {
	Name: "static-neighbour", Catalogue: "C1",
	Title:  "a client has a static neighbour entry for the VIP, of another machine",
	Inject: on("client", "ip neigh replace 10.10.10.22 lladdr 02:00:00:00:99:99 dev eth0 nud permanent"),
	Sights: []Sight{{Host: "client", Code: "vip-neighbour"}},
}}

// serverFaults: a real server that the director cannot find, or finds elsewhere.
var serverFaults = []Fault{{
	Name: "dead-real-server", Catalogue: "N12",
	Title:  "a real server is off the LAN",
	Inject: on("dev-2", "ip link set eth0 down"),
	Sights: seenOnWire("real-server", Sight{Host: "dev-2", Code: "link"}),
}, {
	Name: "silent-by-noarp", Catalogue: "N12", Setup: "-",
	Title:  "a real server's interface answers no ARP, its own address included, in place of arp_ignore",
	Make:   handMade(handTable),
	Inject: on("dev-2", "ip link set eth0 arp off; sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0"),
	Sights: seenOnWire("real-server", Sight{Host: "dev-2", Code: "link"}),
}, {
	Name: "other-subnet", Catalogue: "D13",
	Title:  "a real server is reached by a gateway only",
	Inject: on("dev-1", "ip route add 10.10.10.32/32 via 10.10.10.31"),
	Sights: []Sight{{Host: "dev-1", Code: "real-server"}},
	Heal:   on("dev-1", "ip route del 10.10.10.32/32"),
}, {
	Name: "proxy-arp", Catalogue: "N8",
	Title:  "a router's proxy ARP answers for a real server",
	Inject: stranger(proxyFor("10.10.10.31")),
	Sights: seenOnWire("real-server"),
	Heal:   all(stranger(noProxy), on("dev-1", "ip neigh flush dev eth0")),
}, {
	Name: "address-used-twice", Catalogue: "N9",
	Title:  "another machine has a real server's address",
	Inject: stranger("ip addr add 10.10.10.31/32 dev eth0"),
	Sights: seenOnWire("real-server"),
	Heal:   all(stranger("ip addr del 10.10.10.31/32 dev eth0"), on("dev-1", "ip neigh flush dev eth0")),
}, {
	Name: "wrong-static-neighbour", Catalogue: "N12",
	Title:  "the director has a static neighbour entry of a network card that the real server no longer has",
	Inject: on("dev-1", "ip neigh replace 10.10.10.31 lladdr 02:00:00:00:99:99 dev eth0 nud permanent"),
	Sights: []Sight{{Host: "dev-1", Code: "real-server"}, {Host: "client", Code: "replies"}},
}}

// stranger runs shell commands on a further machine of the LAN, 10.10.10.200.
func stranger(commands string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		if _, err := c.machine(ctx, "stranger", "10.10.10.200/24"); err != nil {
			return err
		}
		return c.Sh(ctx, "stranger", commands)
	}
}

// machine returns a further machine of the LAN, which it adds when it is not there.
func (c *Cluster) machine(ctx context.Context, name, address string) (*lab.Host, error) {
	for _, h := range c.Hosts() {
		if h.Name == name {
			return h, nil
		}
	}
	return c.Add(ctx, name, netip.MustParsePrefix(address))
}

// proxyFor makes a router of the machine, which believes that the address is behind
// it.
func proxyFor(address string) string {
	return fmt.Sprintf(`ip link add behind type dummy
		ip link set behind up
		ip route add %s/32 dev behind
		sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.proxy_arp=1`, address)
}

const noProxy = "ip link del behind; sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.eth0.proxy_arp=0"

// pathFaults: a real server that does not answer what the director sends it.
var pathFaults = []Fault{{
	Name: "vip-missing-router", Catalogue: "R8", Setup: "-",
	Title:  "a real server lost the VIP and forwards: each packet goes round between it and the director",
	Make:   handMade(handTable),
	Inject: on("dev-2", "sysctl -qw net.ipv4.ip_forward=1; ip addr del 10.10.10.22/32 dev lo"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "vip"}),
}, {
	Name: "vip-missing-router-told-elsewhere", Catalogue: "R8", Setup: "-",
	Title: "the same where ARP is not silent either, and a person follows what the director's doctor says",
	Make:  handMade(handTable),
	Inject: on("dev-2", `sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0
ip addr del 10.10.10.22/32 dev lo`),
	Sights: append(seenOnWire("dr-path"), Sight{Host: "dev-2", Code: "vip"}),
}, {
	Name: "real-server-drops", Catalogue: "R10", Needs: []lab.Feature{lab.IPTables},
	Title:  "a real server's packet filter drops what is for the VIP",
	Inject: on("dev-2", "iptables-legacy -I INPUT -d 10.10.10.22 -p tcp --dport 80 -j DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
	Undo:   unfiltered("dev-2"),
}, {
	Name: "real-server-rejects", Catalogue: "R10", Needs: []lab.Feature{lab.IPTables},
	Title:  "a real server's packet filter rejects what is for the VIP",
	Inject: on("dev-2", "iptables-legacy -I INPUT -d 10.10.10.22 -p tcp --dport 80 -j REJECT --reject-with icmp-host-prohibited"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
	Undo:   unfiltered("dev-2"),
}, {
	Name: "director-as-real-server", Catalogue: "D12", Needs: []lab.Feature{lab.Ipvsadm},
	Title:   "a real server balances the service itself and sends it back: packets go round until their TTL is over",
	Inject:  on("dev-2", "ipvsadm -A -t 10.10.10.22:80 -s rr; ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.30 -g"),
	Sights:  seenOnWire("dr-path", Sight{Host: "dev-2", Code: "second-balancer"}),
	Advised: "ipvsadm -D -t 10.10.10.22:80",
}}

// largeFaults: small replies come, large ones do not.
var largeFaults = []Fault{{
	Name: "large-replies-lost", Catalogue: "O2", Needs: []lab.Feature{lab.IPTables},
	Setup:  "-",
	Title:  "the director drops the router's word that large packets do not pass, so the real servers never hear it",
	Make:   all(handMade(handTable), largePages, narrowWay),
	Inject: on("dev-1", "iptables-legacy -I INPUT -p icmp -j DROP"),
	Recur:  routesForgotten,
	Sights: []Sight{{Host: "dev-1", Code: "firewall-icmp", Severity: doctor.Warning}, {Host: "client", Code: "large-replies"}},
}}

// routesForgotten has the real servers forget what routers said of the size of packets,
// which lasts ten minutes else (net.ipv4.route.mtu_expires).
var routesForgotten = all(on("dev-2", "ip route flush cache"), on("dev-3", "ip route flush cache"))

// narrowWay has the real servers reach the client by a router that passes packets of
// 1000 bytes.
func narrowWay(ctx context.Context, c *Cluster) error {
	if _, err := c.machine(ctx, "router", "10.10.10.1/24"); err != nil {
		return err
	}
	err := c.Sh(ctx, "router", `sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
		ip route add 10.10.10.100/32 dev eth0 mtu 1000`)
	for _, h := range c.RealServers {
		if err == nil {
			err = c.Sh(ctx, h.Name, "ip route add 10.10.10.100/32 via 10.10.10.1")
		}
	}
	return err
}

// largePages has the real servers answer with 100 KB.
func largePages(ctx context.Context, c *Cluster) error {
	page := bytes.Repeat([]byte("0123456789abcde\n"), 100<<10/16)
	for _, h := range c.RealServers {
		if err := c.Serve(h.Name, ""); err != nil {
			return err
		}
		l, err := h.Listen(ctx, "tcp", ":80")
		if err != nil {
			return err
		}
		s := &http.Server{
			Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(page) }),
			ReadHeaderTimeout: 10 * time.Second,
		}
		go s.Serve(l)
		c.mu.Lock()
		c.servers[h.Name] = s
		c.mu.Unlock()
	}
	return nil
}

var wireVariants = []Healthy{{
	Name: "every-port", Title: "one persistent service of every port", Setup: Flags + " -p 0 --persistence 20s",
}}
