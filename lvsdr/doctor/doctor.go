package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// atOnce is how many checks run side by side.
const atOnce = 8

// Run looks at the host: it runs the checks side by side, each after those it needs,
// and returns their findings in the order of the checks. Where the exam itself is at
// fault, because [Validate] refuses its checks or Only names one that there is not,
// that is a finding of its own, Unknown. When the context ends, so are the findings
// of the checks that have not run.
func (e *Exam) Run(ctx context.Context) []Finding {
	if err := Validate(e.Checks); err != nil {
		return []Finding{{Check: "exam", Severity: Unknown, What: err.Error()}}
	}
	ctx = filter.Once(ctx) // the rules are asked for, and what set-up would change of them
	e.ran = e.look()
	r := &run{Exam: e.ran, results: map[*Check]*result{}, slots: make(chan struct{}, atOnce)}
	findings, checks := r.chosen()
	for _, c := range checks {
		r.results[c] = &result{done: make(chan struct{})}
	}
	r.sideBySide(ctx, slices.DeleteFunc(slices.Clone(checks), func(c *Check) bool { return c.AfterAll }))
	r.Exam.found = r.all()
	r.sideBySide(ctx, slices.DeleteFunc(slices.Clone(checks), func(c *Check) bool { return !c.AfterAll }))
	for _, c := range checks {
		findings = append(findings, r.results[c].findings...)
	}
	return e.demote(append(findings, e.nothingSeen(findings)...))
}

// nothingSeen tells of a client from which nothing of the cluster was seen: all that it
// can see is on the wire. That no check failed then is no pass.
func (e *Exam) nothingSeen(findings []Finding) []Finding {
	if e.Role != cluster.ClientRole {
		return nil
	}
	var skipped []Finding
	here := false
	for _, f := range findings {
		switch {
		case f.Severity == Skipped:
			skipped = append(skipped, f)
		case f.Bad() || f.Check != linkUsable.Code:
			return nil
		default:
			here = true
		}
	}
	if len(skipped) == 0 || !here {
		return nil
	}
	none := Finding{
		Check: "exam", Severity: Unknown,
		What:   fmt.Sprintf("could not tell: nothing of the cluster was looked at, of %d checks %d were skipped (%s)", len(findings), len(skipped), skipped[0].What),
		Advice: "run it without --passive: what a client sees is on the wire",
	}
	if !e.Passive {
		none.Advice = "run it on a host that reaches the VIP and does not have it"
	}
	return []Finding{none}
}

// A run is one look at work.
type run struct {
	*Exam
	results map[*Check]*result
	slots   chan struct{} // a place for each check that runs
}

type result struct {
	done     chan struct{} // closed when the check has ended
	findings []Finding
	failed   bool // those that need it make no sense
}

// chosen are the checks to run, all or those named in Only with what they need, and
// a finding for each name that is no check's.
func (r *run) chosen() (unknown []Finding, checks []*Check) {
	if len(r.Only) == 0 {
		return nil, r.Checks
	}
	wanted := map[*Check]bool{}
	var want func(*Check)
	want = func(c *Check) {
		if wanted[c] || !slices.Contains(r.Checks, c) {
			return
		}
		wanted[c] = true
		for _, n := range c.Needs {
			want(n)
		}
	}
	for _, code := range r.Only {
		i := slices.IndexFunc(r.Checks, func(c *Check) bool { return c.Code == code })
		if i < 0 {
			unknown = append(unknown, Finding{Check: code, Severity: Unknown, What: "there is no such check here: nothing was looked at"})
			continue
		}
		want(r.Checks[i])
	}
	return unknown, slices.DeleteFunc(slices.Clone(r.Checks), func(c *Check) bool { return !wanted[c] })
}

// sideBySide runs checks and returns when all have ended.
func (r *run) sideBySide(ctx context.Context, checks []*Check) {
	var all sync.WaitGroup
	for _, c := range checks {
		all.Add(1)
		go func() {
			defer all.Done()
			result := r.results[c]
			defer close(result.done)
			result.findings, result.failed = r.examine(ctx, c)
		}()
	}
	all.Wait()
}

// examine runs one check when those it needs have passed.
func (r *run) examine(ctx context.Context, c *Check) ([]Finding, bool) {
	for _, n := range c.Needs {
		need, ok := r.results[n]
		if !ok {
			continue // not one of this role's
		}
		select {
		case <-need.done:
		case <-ctx.Done():
			return c.untold(ctx.Err())
		}
		if need.failed {
			return []Finding{c.finding(skip("because of %s", n.Code)[0])}, true
		}
	}
	if c.Wire && r.Passive {
		return []Finding{c.finding(skip("%v", ErrPassive)[0])}, false
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return c.untold(ctx.Err())
	}
	if r.Watch != nil {
		r.Watch(c, true)
		defer r.Watch(c, false)
	}
	problems, err := c.Run(ctx, r.Exam)
	r.describe(problems)
	return c.concluded(problems, err)
}

// describe has the doctor's commands for other hosts say what the cluster is, where
// those hosts do not know.
func (e *Exam) describe(problems []Problem) {
	if len(e.Described) == 0 {
		return
	}
	flags := " " + host.ShellLine(e.Described...)
	for i := range problems {
		for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
			command := "lvsdr doctor " + role
			problems[i].Advice = strings.ReplaceAll(problems[i].Advice, command, command+flags)
		}
	}
}

// concluded is what came of a check that has run. What it found before an error
// counts beside it.
func (c *Check) concluded(problems []Problem, err error) ([]Finding, bool) {
	for _, unseen := range []error{host.ErrNoView, ErrPassive} {
		if errors.Is(err, unseen) {
			return c.findings(append(problems, skip("%v", unseen)...))
		}
	}
	if err != nil {
		problems = append(problems, unknown(err))
	}
	return c.findings(problems)
}

// untold is the conclusion of a check that an error kept from running.
func (c *Check) untold(err error) ([]Finding, bool) { return c.findings([]Problem{unknown(err)}) }

// unknown tells that an error kept a check from telling.
func unknown(err error) Problem {
	p := Problem{Severity: Unknown, What: fmt.Sprintf("could not tell: %v", err)}
	if errors.Is(err, fs.ErrPermission) {
		p.Advice = "run it as root"
	}
	return p
}

// findings flattens problems; failed tells whether there is one that mutes others.
func (c *Check) findings(problems []Problem) (findings []Finding, failed bool) {
	if len(problems) == 0 {
		return []Finding{{Check: c.Code, Severity: OK, What: c.Title}}, false
	}
	for _, p := range problems {
		f := c.finding(p)
		findings = append(findings, f)
		failed = failed || f.Bad()
	}
	return findings, failed
}

// found is what the checks of a look have found, for those that run after all.
type found struct {
	steps  map[string]bool // that would mend a finding, or what was not looked at because of one
	failed bool            // a check has failed
}

func (r *run) all() found {
	all := found{steps: map[string]bool{}}
	for c, result := range r.results {
		if result.failed {
			all.steps[c.Step], all.failed = true, true
		}
		for _, f := range result.findings {
			all.steps[f.Step] = true
		}
	}
	return all
}

// Explained tells an AfterAll check whether a finding of another has this step to
// mend it. Before all others have ended it is false.
func (e *Exam) Explained(step string) bool { return e.found.steps[step] }

// Failed tells an AfterAll check whether another one has failed. Before all others
// have ended it is false.
func (e *Exam) Failed() bool { return e.found.failed }
