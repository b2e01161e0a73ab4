package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var rememberedRoute = &Check{
	Code:  "remembered-route",
	Title: "the director does not look on the LAN for the VIP that it has itself",
	Why: "Once a real server was forwarded to by masquerading or tunnelling, the kernel may remember a route for it that has no next hop. " +
		"By that route a packet of direct routing is sent to whoever has the VIP's MAC address, and nobody is to answer for it but this host.",
	Step:  step.Service,
	Needs: []*Check{ipvsThere, directForwarding},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		waiting, err := e.waitingFor(ctx)
		if err != nil || len(waiting) == 0 {
			return nil, err
		}
		neighbours, err := e.Neighbours(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, n := range neighbours {
			if waiting[n.Addr] > 0 && (n.State == "INCOMPLETE" || n.State == "FAILED") {
				p := problem(fmt.Sprintf("ip route flush cache && ip neigh del %s dev %s", n.Addr, host.ShellWord(n.Link)),
					"this host asked the LAN of %s for the MAC address of %s, which it has itself (ip neigh: %s), and %d connections to it wait in SYN_RECV",
					host.Printable(n.Link), n.Addr, n.State, waiting[n.Addr])
				p.Advice = afterMasquerading
				problems = append(problems, p)
			}
		}
		return problems, nil
	},
}

// waitingFor counts the connections to the VIPs of this host whose clients wait now.
func (e *Exam) waitingFor(ctx context.Context) (map[netip.Addr]int, error) {
	connections, err := e.Connections(ctx)
	if err != nil {
		return nil, err
	}
	addresses, err := e.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	vips := e.Config.VIPs()
	waiting := map[netip.Addr]int{}
	for _, a := range addresses {
		if slices.Contains(vips, a.Prefix.Addr()) {
			waiting[a.Prefix.Addr()] = 0
		}
	}
	for _, c := range connections {
		if _, here := waiting[c.Virtual.Addr()]; here && stuckConnection(c) {
			waiting[c.Virtual.Addr()]++
		}
	}
	return waiting, nil
}
