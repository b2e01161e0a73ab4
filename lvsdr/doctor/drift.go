package doctor

import (
	"context"
	"errors"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var drift = &Check{
	Code:  "drift",
	Title: "this host is as the description of the cluster says",
	Why:   "Somebody has changed what lvsdr set up, or the description, and the next set-up or reboot will change it back.",
	Rest:  true,
	Needs: []*Check{ipv6Disabled}, // with which addresses and routes went
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		here, err := e.arranged()
		if err != nil {
			return nil, err
		}
		if e.Stage == BeforeSetUp || !here {
			return skip("lvsdr has not set this host up"), nil
		}
		lasting, err := e.lasting()
		if err != nil {
			return nil, err
		}
		host := *e.Host
		host.Runtime = !lasting
		return e.unnamed(ctx, &host)
	},
}

// unnamed plans every step while other checks are still at work, and returns what
// is due of those that none of them names.
func (e *Exam) unnamed(ctx context.Context, h *host.Host) ([]Problem, error) {
	plans := make([][]Problem, len(e.Steps))
	errs := make([]error, len(e.Steps))
	for i, s := range e.Steps {
		plans[i], errs[i] = e.due(ctx, h, s)
	}
	var problems []Problem
	var failed error
	for i, s := range e.Steps {
		if e.named(s.Name()) {
			continue
		}
		problems = append(problems, plans[i]...)
		failed = errors.Join(failed, errs[i])
	}
	if e.ill() {
		failed = nil // what keeps a step from being planned has been told
	}
	return problems, failed
}

// due is one problem for each change that the step would make.
func (e *Exam) due(ctx context.Context, h *host.Host, s step.Step) ([]Problem, error) {
	changes, err := s.Plan(ctx, h, step.Present)
	if err != nil {
		return nil, &step.StepError{Step: s.Name(), Err: err}
	}
	var problems []Problem
	for _, c := range changes {
		p := warning(e.setUp(), "set-up would %s", c)
		p.Step = s.Name()
		problems = append(problems, p)
	}
	return problems, nil
}
