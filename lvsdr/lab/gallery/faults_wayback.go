//go:build linux

package gallery

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// wayBackFaults: every real server answers the director, and no client of some kind.
var wayBackFaults = []Fault{{
	Name: "no-gateway", Catalogue: "R14",
	Title:  "the real servers have no gateway: clients beyond the LAN get no answer",
	Inject: all(farClients, waiting(16)),
	Sights: []Sight{{Host: "dev-1", Code: "syn-recv"}},
	Heal:   all(gateway("10.10.10.100"), gone),
	Undo:   noFarClients,
}, {
	Name: "gateway-gone", Catalogue: "R14",
	Title:  "the real servers' gateway is not there any more: clients beyond the LAN get no answer",
	Inject: all(gateway("10.10.10.254"), farClients, waiting(16)),
	Sights: []Sight{{Host: "dev-1", Code: "syn-recv"},
		{Host: "dev-2", Code: "return-gateway", Severity: "warning"}, {Host: "dev-3", Code: "return-gateway", Severity: "warning"}},
	Heal: all(gateway("10.10.10.100"), gone),
	Undo: noFarClients,
}, {
	Name: "source-guard", Catalogue: "N4", Setup: "-", // where no client of the LAN was answered before
	Title: "the network lets the director's port send from its own addresses only and drops what it sends on",
	Make:  all(handMade(handTable), on("dev-1", "ipvsadm --set 0 1 0")), // those that were answered are soon forgotten
	Inject: all(on("dev-1", `tc qdisc add dev eth0 clsact
tc filter add dev eth0 egress protocol ip prio 1 u32 match ip src 10.10.10.30/32 action ok
tc filter add dev eth0 egress protocol ip prio 2 u32 match u32 0 0 action drop`), visits(""), waiting(16)),
	Sights: []Sight{{Host: "dev-1", Code: "syn-recv"}, {Host: "client", Code: "replies"}},
	Heal:   all(on("dev-1", "tc qdisc del dev eth0 clsact"), gone),
}}

// farClients has clients come from beyond the LAN, by the client's host as their router.
func farClients(ctx context.Context, c *Cluster) error {
	return all(on("client", "sysctl -qw net.ipv4.conf.all.arp_announce=2; ip addr add 192.0.2.100/32 dev lo"), visits("192.0.2.100"))(ctx, c)
}

// noFarClients undoes it.
func noFarClients(ctx context.Context, c *Cluster) error {
	err := c.Sh(ctx, "client", "ip addr del 192.0.2.100/32 dev lo; sysctl -qw net.ipv4.conf.all.arp_announce=0")
	for _, h := range c.RealServers {
		if err == nil {
			err = c.Sh(ctx, h.Name, "ip route del default")
		}
	}
	return err
}

// gateway has the real servers' replies to clients beyond the LAN go there.
func gateway(address string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		return each(c.RealServers, func(h *lab.Host) error { return c.Sh(ctx, h.Name, "ip route replace default via "+address) })
	}
}
