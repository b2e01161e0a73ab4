package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// atOnce is how many checks run side by side.
const atOnce = 8

// Run runs the checks side by side, each after those it needs, and returns their
// findings in the order of the checks.
func (e *Exam) Run(ctx context.Context) []Finding {
	e.Host = e.Host.Examined()
	checks := e.chosen()
	results := make(map[*Check]*result, len(checks))
	for _, c := range checks {
		results[c] = &result{done: make(chan struct{})}
	}
	e.found.wait = func() {
		for c, r := range results {
			if !c.Rest {
				<-r.done
			}
		}
	}
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, c := range checks {
		all.Add(1)
		go func() {
			defer all.Done()
			r := results[c]
			defer close(r.done)
			r.findings, r.failed = e.examine(ctx, c, results, slots)
			e.name(c, r)
		}()
	}
	all.Wait()
	var findings []Finding
	for _, c := range checks {
		findings = append(findings, results[c].findings...)
	}
	return findings
}

type result struct {
	done     chan struct{}
	findings []Finding
	failed   bool // those that need it make no sense
}

// chosen are the checks to run: all, or those named in Only with what they need.
func (e *Exam) chosen() []*Check {
	if len(e.Only) == 0 {
		return e.Checks
	}
	wanted := map[*Check]bool{}
	var want func(*Check)
	want = func(c *Check) {
		if wanted[c] || !slices.Contains(e.Checks, c) {
			return
		}
		wanted[c] = true
		for _, n := range c.Needs {
			want(n)
		}
	}
	for _, c := range e.Checks {
		if slices.Contains(e.Only, c.Code) {
			want(c)
		}
	}
	return slices.DeleteFunc(slices.Clone(e.Checks), func(c *Check) bool { return !wanted[c] })
}

// examine runs one check when those it needs have passed.
func (e *Exam) examine(ctx context.Context, c *Check, results map[*Check]*result, slots chan struct{}) ([]Finding, bool) {
	for _, n := range c.Needs {
		need, ok := results[n]
		if !ok {
			continue // not one of this role's
		}
		<-need.done
		if need.failed {
			return []Finding{c.finding(skip("because of %s", n.Code)[0])}, true
		}
	}
	if c.Wire && e.Passive {
		return []Finding{c.finding(skip("nothing is put on the wire (--passive)")[0])}, false
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	if e.Watch != nil {
		e.Watch(c, true)
		defer e.Watch(c, false)
	}
	problems, err := c.Run(ctx, e)
	if errors.Is(err, host.ErrNoView) {
		return []Finding{c.finding(skip("%v", host.ErrNoView)[0])}, false
	}
	if err != nil {
		p := Problem{Severity: Unknown, What: fmt.Sprintf("could not tell: %v", err)}
		if errors.Is(err, fs.ErrPermission) {
			p.Advice = "run it as root"
		}
		problems = append(problems, p)
	}
	return c.findings(problems)
}

// findings flattens problems; failed tells whether there is one that mutes others.
func (c *Check) findings(problems []Problem) (findings []Finding, failed bool) {
	if len(problems) == 0 {
		return []Finding{{Check: c.Code, Severity: OK, What: c.Title}}, false
	}
	for _, p := range problems {
		f := c.finding(p)
		findings = append(findings, f)
		failed = failed || f.bad()
	}
	return findings, failed
}

// steps are the names of those that findings tell of.
type steps struct {
	mu    sync.Mutex
	names map[string]bool
	ill   bool   // a check has failed
	wait  func() // for all checks that are not of the rest
}

// name notes which steps' changes would mend what was found, or what was not looked
// at because of another finding.
func (e *Exam) name(c *Check, r *result) {
	e.found.mu.Lock()
	defer e.found.mu.Unlock()
	if e.found.names == nil {
		e.found.names = map[string]bool{}
	}
	if r.failed {
		e.found.names[c.Step], e.found.ill = true, true
	}
	for _, f := range r.findings {
		e.found.names[f.Step] = true
	}
}

// named tells whether a finding of another check has the step to mend it. It waits
// for all of them, so that only a check of the rest may ask.
func (e *Exam) named(step string) bool {
	e.found.wait()
	e.found.mu.Lock()
	defer e.found.mu.Unlock()
	return e.found.names[step]
}

// ill tells whether another check has failed; it waits as named does.
func (e *Exam) ill() bool {
	e.found.wait()
	e.found.mu.Lock()
	defer e.found.mu.Unlock()
	return e.found.ill
}
