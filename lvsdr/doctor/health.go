package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var keepalivedRuns = &Check{
	Code:  "keepalived",
	Title: "lvsdr's keepalived looks after the real servers",
	Why:   "While it does not run, a real server that dies keeps its share of the connections.",
	Step:  step.Service,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if !e.Config.Keepalived() {
			return skip("the engine is " + cluster.EngineIPVS), nil
		}
		here, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		if e.Stage == BeforeSetUp || !here {
			return skip("set-up starts it"), nil
		}
		_, running, err := step.KeepalivedRuns(ctx, e.Host)
		if err != nil || running {
			return nil, err
		}
		return []Problem{problem(e.SetUpCommand(), "lvsdr's keepalived does not run: the table stays as it is, whoever dies")}, nil
	},
}

var healthy = &Check{
	Code:  "health",
	Title: "every real server passes its health check",
	Why:   "keepalived gives it no connections meanwhile: the others have its share.",
	Needs: []*Check{ipvsThere, keepalivedRuns, serviceThere, noDestination, realServerAnswers},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if !e.Config.Keepalived() {
			return skip("the engine is " + cluster.EngineIPVS), nil
		}
		if e.Stage == BeforeSetUp {
			return skip("set-up starts keepalived"), nil
		}
		services, err := e.served(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, s := range services {
			sick, err := e.sick(ctx, s)
			if err != nil {
				return nil, err
			}
			problems = append(problems, sick...)
		}
		return problems, nil
	},
}

// sick are the real servers that keepalived has taken out of a service. Those that
// somebody else has are drift.
func (e *Exam) sick(ctx context.Context, s servedService) (problems []Problem, err error) {
	if s.live == nil {
		return nil, nil
	}
	for _, d := range s.want.Destinations {
		if destinationOf(s.live, d.Addr) != nil {
			continue
		}
		held, err := e.holds(ctx, s.want.ID, d.Addr)
		if err != nil {
			return nil, err
		} else if held {
			continue
		}
		p := warning("", "%s is out of the table: its check (%s) does not pass", ipvs.ServerName(s.want.ID, d), e.checkOf(s.want.ID))
		p.Advice = "Its service is to answer that check: keepalived's log says what it gets (journalctl -t Keepalived_healthcheckers)."
		problems = append(problems, p)
	}
	return problems, nil
}

// holds tells whether lvsdr's keepalived believes a real server to be in the table.
func (e *Exam) holds(ctx context.Context, id ipvs.ID, rip netip.Addr) (bool, error) {
	if e.Host.Keepalived == nil {
		return false, nil
	}
	held, err := e.seen.held.get(ctx, func() ([]host.HeldServer, error) { return e.Host.Keepalived.Held(ctx) })
	return slices.ContainsFunc(held, func(x host.HeldServer) bool { return x.Service == id && x.Server.Addr() == rip }), err
}

// checkOf is how keepalived looks after the real servers of a service.
func (e *Exam) checkOf(id ipvs.ID) string {
	for _, v := range e.Config.Services {
		for _, p := range v.AllPorts() {
			if id == (ipvs.ID{Addr: v.VIP, Port: p.Number, Protocol: p.Protocol}) {
				return v.Check.For(p).String()
			}
		}
	}
	return fmt.Sprint(id)
}

// holdsOne tells whether it believes so of any real server of a service; where it cannot
// be asked, not.
func (e *Exam) holdsOne(ctx context.Context, want ipvs.Entry) bool {
	return slices.ContainsFunc(want.Destinations, func(d ipvs.Destination) bool {
		held, err := e.holds(ctx, want.ID, d.Addr)
		return held && err == nil
	})
}
