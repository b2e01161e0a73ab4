package doctor

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

var mtu = &Check{
	Code:  "mtu",
	Title: "what comes in over the LAN fits through to the real servers",
	Why:   "Requests come in packets of the LAN's size; one that does not fit on the way to the real server is dropped, and large uploads hang where the client does not hear of it.",
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		var problems []Problem
		told := map[netip.Addr]bool{}
		for _, vip := range e.Config.VIPs() {
			lan, err := e.LAN(ctx, vip)
			if err != nil {
				return problems, err
			}
			for _, rip := range e.RealServers(vip) {
				if told[rip] { // not merely asked: another VIP's LAN may have larger packets
					continue
				}
				more, err := e.narrow(ctx, rip, lan)
				problems = append(problems, more...)
				if err != nil {
					return problems, err
				}
				told[rip] = len(more) > 0
			}
		}
		lro, err := e.merging(ctx)
		return append(problems, lro...), err
	},
}

// narrow tells whether the route to a real server takes smaller packets than its
// link. A real server has the link's MTU, as a rule, and tells clients so (MSS); an
// MTU of the route it does not know.
func (e *Exam) narrow(ctx context.Context, rip netip.Addr, lan host.Link) ([]Problem, error) {
	r, err := e.Route(ctx, rip)
	if err != nil || r.Local {
		return nil, nil // real-server tells
	}
	out, ok, err := e.Link(ctx, r.Link)
	if err != nil || !ok || r.MTU == 0 || r.MTU >= min(out.MTU, lan.MTU) {
		return nil, err
	}
	p := warning(fmt.Sprintf("ip route replace %s dev %s mtu %d", rip, host.ShellWord(r.Link), out.MTU),
		"the route to the real server %s takes packets of %d bytes, requests come in over %s with up to %d",
		rip, r.MTU, lan.Name, min(out.MTU, lan.MTU))
	if r.Gateway.IsValid() {
		p.Fix, p.Advice = "", "direct routing needs the real server on a LAN of this host's, where no route has an MTU of its own; beyond a gateway the path may take no more"
	}
	return []Problem{p}, nil
}

// merging tells of interfaces that merge what they receive: IPVS passes it on too
// large. The kernel itself switches that off where it forwards (dev_disable_lro in
// net/ipv4/devinet.c), which a director need not.
func (e *Exam) merging(ctx context.Context) ([]Problem, error) {
	links, err := e.Links(ctx)
	var problems []Problem
	for _, l := range links {
		if l.LRO && l.Up {
			problems = append(problems, warning(host.ShellLine("ethtool", "-K", l.Name, "lro", "off"),
				"%s merges packets that it receives (LRO), which do not fit on the way to the real servers", l.Name))
		}
	}
	return problems, err
}
