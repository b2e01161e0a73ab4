package doctor

import (
	"context"
	"fmt"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
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
			problems = append(problems, e.sick(s)...)
		}
		return problems, nil
	},
}

// sick are the real servers that keepalived has taken out of a service.
func (e *Exam) sick(s servedService) (problems []Problem) {
	if s.live == nil {
		return nil
	}
	for _, d := range s.want.Destinations {
		if destinationOf(s.live, d.Addr) != nil {
			continue
		}
		p := warning("", "%s is out of the table: its check (%s) does not pass", ipvs.ServerName(s.want.ID, d), e.checkOf(s.want.ID))
		p.Advice = "Its service is to answer that check: keepalived's log says what it gets (journalctl -t Keepalived_healthcheckers). " +
			"If somebody has taken it out by hand, keepalived does not know: kill $(cat /run/lvsdr/keepalived.pid), then " + e.SetUpCommand() + "."
		problems = append(problems, p)
	}
	return problems
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
