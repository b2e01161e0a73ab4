package doctor

import (
	"context"
	"fmt"
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

// sick are the real servers that keepalived has taken out of a service, or given weight 0.
// Those that somebody else has are drift.
func (e *Exam) sick(ctx context.Context, s servedService) (problems []Problem, err error) {
	if s.live == nil {
		return nil, nil
	}
	for _, d := range s.want.Destinations {
		out, err := e.takenOut(ctx, s, d)
		if err != nil {
			return nil, err
		} else if !out {
			continue
		}
		is := "is out of the table"
		if destinationOf(s.live, d.Addr) != nil {
			is = "has weight 0"
		}
		p := warning("", "%s %s: its check (%s) does not pass", ipvs.ServerName(s.want.ID, d), is, e.checkOf(s.want.ID))
		p.Advice = "Its service is to answer that check: keepalived's log says what it gets (journalctl -t Keepalived_healthcheckers)."
		problems = append(problems, p)
	}
	return problems, nil
}

// takenOut tells whether it is by lvsdr's keepalived that a real server that is wanted is
// not in the table, or there with weight 0. Where that cannot be asked it is not.
func (e *Exam) takenOut(ctx context.Context, s servedService, want ipvs.Destination) (bool, error) {
	have := destinationOf(s.live, want.Addr)
	if have != nil && (have.Weight != 0 || want.Weight == 0) {
		return false, nil
	}
	if e.Host.Keepalived == nil {
		return have == nil, nil
	}
	all, err := e.seen.held.get(ctx, func() ([]host.HeldServer, error) { return e.Host.Keepalived.Held(ctx) })
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(all, func(x host.HeldServer) bool { return x.Service == s.want.ID && x.Server.Addr() == want.Addr })
	if have == nil {
		return i < 0, nil
	}
	return i >= 0 && all[i].Inhibited, nil
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

// takenOutAll tells whether it is by keepalived that a service has no real server that
// takes connections; where it cannot be asked, it is.
func (e *Exam) takenOutAll(ctx context.Context, s servedService) bool {
	return e.Config.Keepalived() && !slices.ContainsFunc(s.want.Destinations, func(d ipvs.Destination) bool {
		out, err := e.takenOut(ctx, s, d)
		return err == nil && !out && d.Weight > 0
	})
}
