package doctor

import (
	"context"
	"net/netip"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

var secondBalancer = &Check{
	Code:  "second-balancer",
	Title: "this real server does not balance what the director has sent it",
	Why: "A virtual service takes the VIP's packets before any server can, here as on the director: two that have each other for real servers send " +
		"a packet to and fro until its TTL ends.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		table, err := e.Table(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, want := range e.Config.VirtualServices() {
			for _, live := range table {
				if live.ID != want.ID {
					continue
				}
				away, err := e.sentAway(ctx, live)
				if err != nil {
					return problems, err
				}
				directs, err := e.hasOnLAN(ctx, live.Addr)
				if err != nil {
					return problems, err
				}
				if len(away) > 0 && !directs {
					problems = append(problems, e.balancesAgain(live, away))
				}
			}
		}
		return problems, nil
	},
}

// hasOnLAN tells whether the VIP is on an interface that answers for it: then this host
// is the director itself, and one of its own real servers.
func (e *Exam) hasOnLAN(ctx context.Context, vip netip.Addr) (bool, error) {
	at, err := e.AddressesOf(ctx, vip)
	for _, a := range at {
		off, err := e.offLAN(ctx, a.Link)
		if err != nil || !off {
			return !off, err
		}
	}
	return false, err
}

// sentAway are the real servers of a service that are not this host.
func (e *Exam) sentAway(ctx context.Context, v ipvs.Entry) (away []ipvs.Destination, err error) {
	for _, d := range v.Destinations {
		at, err := e.AddressesOf(ctx, d.Addr)
		if err != nil {
			return nil, err
		}
		if len(at) == 0 && d.Weight > 0 {
			away = append(away, d)
		}
	}
	return away, nil
}

// balancesAgain: the table of a host that is to be the director next is its readiness,
// which no command here takes away.
func (e *Exam) balancesAgain(v ipvs.Entry, away []ipvs.Destination) Problem {
	p := problem("", "the IPVS table here has the service %s with the real servers %s: what the director sends this host goes on to them", v.ID, ends(away))
	p.Advice = "if this host is a real server alone, take the service out: " + ipvs.Command{Op: ipvs.RemoveService, Service: &v.Service}.Ipvsadm() +
		". If it is to take over as the director, let it balance only what comes by the router or from clients (a service of a firewall mark), not what the director sends"
	if value, err := e.Host.Sysctl.Get("net/ipv4/vs/backup_only"); err == nil && strings.TrimSpace(value) == "1" {
		p.What += "; net.ipv4.vs.backup_only is 1, which counts while a backup synchronisation daemon runs here (ipvsadm -L --daemon)"
		p.Severity = Warning
	}
	return p
}
