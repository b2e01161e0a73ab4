//go:build linux

package gallery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// handTable is the documentation's table as a person types it.
const handTable = `ipvsadm -A -t 10.10.10.22:80 -s wrr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31 -g -w 1
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32 -g -w 1`

var tableFaults = []Fault{{
	Name: "no-real-server", Catalogue: "D6",
	Title:  "the service has no real server",
	Inject: on("dev-1", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31; ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.32"),
	Sights: []Sight{{Host: "dev-1", Code: "no-destination"}, {Host: "client", Code: "replies"}},
}, {
	Name: "all-weight-0", Catalogue: "D6",
	Title:  "every real server has weight 0",
	Inject: on("dev-1", "for r in 31 32; do ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.$r -g -w 0; done"),
	Sights: []Sight{{Host: "dev-1", Code: "no-destination"}, {Host: "client", Code: "replies"}},
}, {
	Name: "thresholds", Catalogue: "D6",
	Title: "every real server has as many connections as it may have",
	Inject: all(
		func(ctx context.Context, c *Cluster) error { return c.Serves(ctx) },
		on("dev-1", "for r in 31 32; do ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.$r -g -w 1 -x 1; done"),
		unserved,
	),
	Sights: []Sight{{Host: "dev-1", Code: "no-destination"}, {Host: "client", Code: "replies"}},
}, {
	Name: "no-service", Catalogue: "D7",
	Title:  "there is no virtual service for the VIP's port",
	Inject: on("dev-1", "ipvsadm -D -t 10.10.10.22:80"),
	Sights: []Sight{{Host: "dev-1", Code: "service"}, {Host: "client", Code: "replies"}},
}, {
	Name: "masquerading", Catalogue: "K1",
	Title:  "a real server is forwarded to by masquerading",
	Inject: all(on("dev-1", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31 -m -w 1"), unserved),
	Sights: []Sight{{Host: "dev-1", Code: "forwarding"}, {Host: "client", Code: "replies"}},
	// The last packets by masquerading may have the kernel cache a route to nobody.
	Heal: flushUntilServed,
}, {
	Name: "route-remembered", Catalogue: "K1",
	Title: "the kernel remembers masquerading's route for a real server that is forwarded to by direct routing again",
	Inject: all(
		on("dev-1", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31 -m -w 1"),
		tryOn,
		on("dev-1", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31 -g -w 1"),
		triesAgain,
	),
	Recur:  unserved,
	Sights: []Sight{{Host: "dev-1", Code: "remembered-route"}, {Host: "client", Code: "replies"}},
	Heal:   flushUntilServed,
}, {
	Name: "port-mapping", Catalogue: "R11", Setup: Flags + " --drain 0",
	Title:  "a real server is on another port than the service, which direct routing cannot change",
	Inject: mapPort,
	Sights: []Sight{{Host: "dev-1", Code: "port-mapping"}},
}, {
	Name: "sh-without-fallback", Catalogue: "P11", Setup: "-",
	Title: "scheduler sh refuses the clients of a real server of weight 0",
	Make:  handMade(strings.Replace(handTable, "wrr", "sh", 1)),
	Inject: all(
		func(ctx context.Context, c *Cluster) error { // the client's own
			name, err := c.Client.Get(ctx, "http://"+vipHTTP)
			if err != nil {
				return err
			}
			return c.Sh(ctx, "dev-1", "ipvsadm -e -t 10.10.10.22:80 -g -w 0 -r "+c.Host(name).IPv4.Addr().String())
		},
		unserved,
	),
	Sights: []Sight{{Host: "dev-1", Code: "fallback"}, {Host: "client", Code: "replies"}},
}, {
	Name: "mh-without-fallback", Catalogue: "P11", Setup: "-",
	Title: "scheduler mh refuses the clients of a real server whose weight became 0",
	Make:  handMade(strings.Replace(handTable, "wrr", "mh", 1)),
	Inject: all(
		func(ctx context.Context, c *Cluster) error { // the client's own
			name, err := c.Client.Get(ctx, "http://"+vipHTTP)
			if err != nil {
				return err
			}
			return c.Sh(ctx, "dev-1", "ipvsadm -e -t 10.10.10.22:80 -g -w 0 -r "+c.Host(name).IPv4.Addr().String())
		},
		unserved,
	),
	Sights: []Sight{{Host: "dev-1", Code: "fallback"}, {Host: "client", Code: "replies"}},
}, {
	Name: "drained-but-tied", Catalogue: "P3", Setup: "-",
	Title: "persistence still sends a client to a real server of weight 0",
	Make:  handMade(strings.Replace(handTable, "wrr", "wrr -p 300", 1)),
	Inject: func(ctx context.Context, c *Cluster) error {
		conn, err := c.keepTo(ctx, "10.10.10.31")
		if err != nil { // the client is tied to the other one
			return c.Sh(ctx, "dev-1", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.32 -g -w 0")
		}
		conn.Close()
		return c.Sh(ctx, "dev-1", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31 -g -w 0")
	},
	Sights: []Sight{{Host: "dev-1", Code: "quiescent-template", Severity: doctor.Warning}},
}, {
	Name: "taken-out-too-early", Catalogue: "D9", Setup: "-",
	Title: "connections are left to a real server that was taken out",
	Make:  handMade(handTable),
	Inject: all(
		func(ctx context.Context, c *Cluster) error {
			_, err := c.keepTo(ctx, "10.10.10.32")
			return err
		},
		on("dev-1", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.32"),
	),
	Sights: []Sight{{Host: "dev-1", Code: "orphan-connections"}},
}, {
	Name: "no-way-back", Catalogue: "R14",
	Title:  "a real server has no way back to a client",
	Inject: all(on("dev-2", "ip route add unreachable 10.10.10.100"), visits(""), waiting(20)),
	Sights: []Sight{{Host: "dev-1", Code: "syn-recv"}, {Host: "client", Code: "dr-path"}},
	Heal:   all(on("dev-2", "ip route del unreachable 10.10.10.100"), gone),
}, {
	Name: "packets-go-round", Catalogue: "R8", Setup: "-", Passive: true,
	Title: "a real server lacks the VIP and forwards: it sends the packets back to the director",
	Make:  handMade(handTable),
	Inject: all(on("dev-2", "sysctl -qw net.ipv4.ip_forward=1; ip addr del 10.10.10.22/32 dev lo"),
		func(ctx context.Context, c *Cluster) error { return c.await(ctx, c.goRound(ctx)) }),
	Sights: []Sight{{Host: "dev-1", Code: "packet-loop"}, {Host: "dev-2", Code: "vip"}},
	Heal:   all(on("dev-2", "ip addr add 10.10.10.22/32 dev lo"), forgotten),
}, {
	Name: "listens-on-rip", Catalogue: "R9",
	Title:  "a server listens on its own address only",
	Inject: serving("dev-2", "10.10.10.31:80"),
	Sights: []Sight{{Host: "dev-2", Code: "listener"}, {Host: "dev-1", Code: "dr-path"}, {Host: "client", Code: "dr-path"}},
	Heal:   serving("dev-2", ":80"),
}, {
	Name: "nobody-listens", Catalogue: "R9",
	Title:  "no server runs on a real server",
	Inject: serving("dev-2", ""),
	Sights: []Sight{{Host: "dev-2", Code: "listener"}, {Host: "dev-1", Code: "dr-path"}, {Host: "client", Code: "dr-path"}},
	Heal:   serving("dev-2", ":80"),
}, {
	Name: "vs-conntrack", Catalogue: "F7",
	Title:  "IPVS keeps its connections in connection tracking",
	Inject: on("dev-1", "sysctl -qw net.ipv4.vs.conntrack=1"),
	Sights: []Sight{{Host: "dev-1", Code: "ipvs-sysctl", Severity: doctor.Warning}},
}, {
	Name: "no-estimation", Catalogue: "D24",
	Title:  "IPVS does not count",
	Inject: on("dev-1", "sysctl -qw net.ipv4.vs.run_estimation=0"),
	Sights: []Sight{{Host: "dev-1", Code: "ipvs-sysctl", Severity: doctor.Warning}},
}, {
	Name: "kube-proxy", Catalogue: "D17",
	Title:   "kube-proxy in IPVS mode is on the director",
	Inject:  on("dev-1", "ip link add kube-ipvs0 type dummy"),
	Sights:  []Sight{{Host: "dev-1", Code: "table-owner", Severity: doctor.Warning}},
	Advised: "ip link del kube-ipvs0",
}}

// mapPort does what ipvsadm refuses to: it writes the service's port instead.
func mapPort(ctx context.Context, c *Cluster) error {
	director := c.Director.LVS()
	service := &ipvs.Service{ID: ipvs.ID{Addr: lab.VIP, Port: 80, Protocol: ipvs.TCP}}
	rip := netip.MustParseAddr("10.10.10.31")
	_, err := director.IPVS.Apply(ctx, []ipvs.Command{
		{Op: ipvs.AddDestination, Service: service, Destination: &ipvs.Destination{
			Addr: rip, Port: 8080, Forwarding: ipvs.DirectRoute, Weight: 1}},
		{Op: ipvs.RemoveDestination, Service: service, Destination: &ipvs.Destination{Addr: rip, Port: 80}},
	})
	return err
}

// waiting waits until so many connections have waited for a while, that no doctor takes
// for one that has just begun or is long over.
func waiting(n int) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		return c.await(ctx, func(all []ipvs.Connection) bool {
			some := 0
			for _, x := range all {
				if x.State == "SYN_RECV" && x.Expires < 58*time.Second && x.Expires > 42*time.Second {
					some++
				}
			}
			return some >= n
		})
	}
}

// goRound has the client try a few times and tells whether the kernel has counted
// the packets, which it does every two seconds.
func (c *Cluster) goRound(ctx context.Context) func([]ipvs.Connection) bool {
	c.knock(ctx, 6)
	return func(all []ipvs.Connection) bool {
		director := c.Director.LVS()
		servers, err := director.IPVS.Destinations(ctx, ipvs.ID{Addr: lab.VIP, Port: 80, Protocol: ipvs.TCP}, ipvs.WithStats)
		return err == nil && slices.ContainsFunc(servers, func(d ipvs.Destination) bool { return d.Stats.Values().InPackets >= 60 }) &&
			slices.ContainsFunc(all, func(x ipvs.Connection) bool { return x.State == "SYN_RECV" && x.Expires < 58*time.Second })
	}
}

// forgotten waits until no client has waited of late.
func forgotten(ctx context.Context, c *Cluster) error {
	return c.await(ctx, func(all []ipvs.Connection) bool {
		for _, x := range all {
			if x.State == "SYN_RECV" && x.Expires > 40*time.Second {
				return false
			}
		}
		return true
	})
}

var tableVariants = []Healthy{{
	Name: "several-services", Title: "two ports and UDP on one VIP by scheduler wlc, and somebody else's services beside them",
	Setup: "-",
	Make: all(
		func(ctx context.Context, c *Cluster) error { // the servers first, for set-up looks for them
			for _, h := range c.RealServers {
				_, err1 := h.ServeHTTP(":81")
				silent, err2 := h.ListenPacket(ctx, "udp", ":53")
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
				c.mu.Lock()
				c.servers["udp "+h.Name] = silent // or the garbage collector closes it
				c.mu.Unlock()
			}
			c.Flags = Flags + " -s wlc -p 80 -p 81 -p 53/udp"
			return c.SetUp(ctx)
		},
		on("dev-1", `ipvsadm -A -t 10.10.10.22:8080 -s wlc; ipvsadm -a -t 10.10.10.22:8080 -r 10.10.10.31:80 -m
ipvsadm -A -f 7 -s wlc; ipvsadm -A -t 10.10.10.99:80 -s wlc`),
	),
}, {
	Name: "sh-with-fallback", Title: "scheduler sh that falls back, one real server of weight 0", Setup: "-",
	Make: handMade(strings.Replace(handTable, "wrr", "sh -b sh-fallback", 1) + "\nipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31 -g -w 0"),
}, {
	Name: "ended-connections", Catalogue: "FP11", Title: "hundreds of connections that have ended are kept in FIN_WAIT",
	Make: func(ctx context.Context, c *Cluster) error {
		for range 300 {
			conn, err := c.Client.Dial(ctx, "tcp", vipHTTP)
			if err != nil {
				return err
			}
			conn.Close()
		}
		return nil
	},
}}
