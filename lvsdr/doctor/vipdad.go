package doctor

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var vipDAD = &Check{
	Code:  "vip-dad",
	Title: "duplicate address detection has not taken the IPv6 VIP out of use",
	Why:   "An IPv6 address that another host answered for, or that is still being asked about, is not in use.",
	Step:  step.VIP,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		addresses, err := e.Addresses(ctx)
		if err != nil {
			return nil, err
		}
		some := false
		var problems []Problem
		for _, vip := range e.Config.VIPs() {
			some = some || vip.Is6()
		}
		if !some {
			return skip("there is no IPv6 VIP"), nil
		}
		for _, a := range addresses {
			if !e.isVIP(a.Prefix.Addr()) || !a.DADFailed && !a.Tentative {
				continue
			}
			exposed, err := e.exposed(ctx, a)
			if err != nil {
				return problems, err
			}
			if e.Role == cluster.RealServerRole && exposed {
				continue // vip-link's: it must not be there at all
			}
			problems = append(problems, e.notInUse(a))
		}
		return problems, nil
	},
}

// notInUse tells of an address that duplicate address detection keeps out of use.
func (e *Exam) notInUse(a host.Address) Problem {
	link := a.Link
	if e.Role == cluster.RealServerRole {
		link = "lo"
	}
	vip := a.Prefix.Addr()
	fix := commands("ip addr del "+a.Prefix.String()+" dev "+host.ShellWord(a.Link), addVIP(vip, link, e.Role))
	if !a.DADFailed {
		return problem(fix, "the VIP %s is tentative: duplicate address detection has not ended", a)
	}
	p := problem(fix, "the VIP %s is not in use: duplicate address detection found it on another host (dadfailed)", a)
	if e.Role == cluster.DirectorRole {
		p.Fix = ""
		p.Advice = "take it from the host that answers for it, if that is a real server with the VIP on its LAN interface; then: " + fix +
			". If it is another director, leave it there"
	}
	return p
}
