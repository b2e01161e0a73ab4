package doctor

import (
	"context"
	"errors"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var drift = &Check{
	Code:     "drift",
	Title:    "this host is as the description of the cluster says",
	Why:      "Somebody has changed what lvsdr set up, or the description, and the next set-up or reboot will change it back.",
	AfterAll: true,
	Needs:    []*Check{ipv6Disabled}, // with which addresses and routes went
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		here, err := e.WasSetUp()
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
		return e.unexplained(ctx, &host)
	},
}

// unexplained is what is due of the steps that would mend no other check's finding.
func (e *Exam) unexplained(ctx context.Context, h *host.Host) ([]Problem, error) {
	var problems []Problem
	var failed error
	for _, s := range e.Steps {
		if e.Explained(s.Name()) {
			continue
		}
		due, err := e.due(ctx, h, s)
		problems = append(problems, due...)
		failed = errors.Join(failed, err)
	}
	if e.Failed() {
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
		p := warning(e.SetUpCommand(), "set-up would %s", c)
		p.Step = s.Name()
		problems = append(problems, p)
	}
	return problems, nil
}
