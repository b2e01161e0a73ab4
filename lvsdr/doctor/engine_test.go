package doctor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// soon runs an exam and fails the test when it does not end.
func soon(t *testing.T, ctx context.Context, e *doctor.Exam) []doctor.Finding {
	t.Helper()
	ended := make(chan []doctor.Finding, 1)
	go func() { ended <- e.Run(ctx) }()
	select {
	case findings := <-ended:
		return findings
	case <-time.After(10 * time.Second):
		t.Fatal("the exam does not end")
		return nil
	}
}

// A caller's list is its own: what it leaves out is there for the next one.
func TestChecksAreTheCallersOwn(t *testing.T) {
	for _, role := range checkRoles {
		before := doctor.Checks(role)
		fewer := slices.DeleteFunc(doctor.Checks(role), func(c *doctor.Check) bool { return !c.Wire })
		if len(fewer) == len(before) || !slices.Equal(doctor.Checks(role), before) {
			t.Errorf("%s: the next list lacks what was deleted from another", role)
		}
	}
	role := wireRole(t, cluster.ClientRole, "")
	role.Checks = slices.DeleteFunc(role.Checks, func(c *doctor.Check) bool { return c.Code == "link" })
	e := wireRole(t, cluster.ClientRole, "").Exam(lvsdrtest.Client(lvsdrtest.HealthyLAN()).Host())
	if findings := soon(t, t.Context(), e); slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Severity == doctor.Unknown }) {
		t.Errorf("%q", told(findings))
	}
	role = wireRole(t, cluster.DirectorRole, "")
	e = role.Exam(lvsdrtest.Director().Host())
	e.Checks[0], e.Steps[0] = nil, nil
	if role.Checks[0] == nil || role.Steps[0] == nil {
		t.Error("an exam's lists are the role's own")
	}
}

// What is named and is not there is no pass; what is there is looked at.
func TestOnlyUnknown(t *testing.T) {
	e := &doctor.Exam{Host: lvsdrtest.New().Host(), Only: []string{"vip-mask", "no-such", "good"}, Checks: []*doctor.Check{ends("good", nil, nil)}}
	want := []string{
		"unknown vip-mask: there is no such check here: nothing was looked at",
		"unknown no-such: there is no such check here: nothing was looked at", "ok good: good holds",
	}
	if got := told(soon(t, t.Context(), e)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestValidate(t *testing.T) {
	good := ends("good", nil, nil)
	one, two := ends("one", nil, nil), ends("two", nil, nil)
	one.Needs, two.Needs = []*doctor.Check{two}, []*doctor.Check{one}
	last := ends("last", nil, nil, good)
	last.AfterAll = true
	self := ends("self", nil, nil)
	self.Needs = []*doctor.Check{self}
	for _, test := range []struct {
		name   string
		checks []*doctor.Check
		want   string // in the error; empty: none
	}{
		{"sound", []*doctor.Check{last, ends("a", nil, nil, good), good}, ""},
		{"a circle", []*doctor.Check{good, ends("outside", nil, nil, one), one, two}, "check one needs itself: one, two, one"},
		{"itself", []*doctor.Check{self}, "check self needs itself: self, self"},
		{"a circle beyond the list", []*doctor.Check{ends("a", nil, nil, one)}, "needs itself"},
		{"one that runs last", []*doctor.Check{last, ends("a", nil, nil, last)}, "check a needs last, which runs after all others"},
		{"one that runs last and is not there", []*doctor.Check{ends("a", nil, nil, last)}, "check a needs last"},
		{"nil", []*doctor.Check{nil}, "a check is nil"},
		{"a nil need", []*doctor.Check{ends("a", nil, nil, nil)}, "a check is nil"},
		{"one code", []*doctor.Check{good, ends("good", nil, nil)}, "two checks have the code good"},
		{"twice", []*doctor.Check{good, good}, "check good is there twice"},
		{"no code", []*doctor.Check{ends("", nil, nil)}, "a check has no code"},
		{"nothing to run", []*doctor.Check{{Code: "a"}}, "check a has nothing to run"},
	} {
		err := doctor.Validate(test.checks)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		findings := soon(t, t.Context(), &doctor.Exam{Host: lvsdrtest.New().Host(), Checks: test.checks})
		if refused := len(findings) == 1 && findings[0].Check == "exam" && findings[0].Severity == doctor.Unknown; refused != (err != nil) {
			t.Errorf("%s: the exam says %q", test.name, told(findings))
		}
	}
	for _, role := range checkRoles {
		if err := doctor.Validate(doctor.Checks(role)); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// What runs last sees what all others came to, whatever the order of the list.
func TestAfterAll(t *testing.T) {
	bad := ends("bad", []doctor.Problem{{What: "one", Step: "vip"}}, nil)
	bad.Step = "sysctls"
	last := ends("last", nil, nil, bad)
	last.Needs = nil
	last.AfterAll = true
	last.Run = func(_ context.Context, e *doctor.Exam) ([]doctor.Problem, error) {
		if !e.Explained("vip") || !e.Explained("sysctls") || e.Explained("ports") || !e.Failed() {
			return nil, errors.New("it does not see them all")
		}
		return nil, nil
	}
	findings := soon(t, t.Context(), &doctor.Exam{Host: lvsdrtest.New().Host(), Checks: []*doctor.Check{last, bad}})
	if want := []string{"ok last: last holds", "failure bad: one"}; !slices.Equal(told(findings), want) {
		t.Errorf("%q", told(findings))
	}
}

// A context that ends ends the exam, and what has not run is no pass.
func TestExamCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	slow := ends("slow", nil, nil)
	slow.Run = func(ctx context.Context, _ *doctor.Exam) ([]doctor.Problem, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := &doctor.Exam{Host: lvsdrtest.New().Host(), Checks: []*doctor.Check{slow, ends("of-slow", nil, nil, slow)}}
	for _, when := range []string{"while it runs", "before"} {
		for _, f := range soon(t, ctx, e) {
			if f.Severity != doctor.Unknown && f.Severity != doctor.Skipped {
				t.Errorf("ended %s: %s %s: %s", when, f.Severity, f.Check, f.What)
			}
		}
	}
}

// Each look is a new one, and leaves the exam as the caller made it.
func TestExamLooksAnew(t *testing.T) {
	w := lvsdrtest.Director(carrying + lvsdrtest.HealthyLAN())
	asks := &doctor.Check{Code: "asks", Title: "it was seen", Run: func(ctx context.Context, e *doctor.Exam) ([]doctor.Problem, error) {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if _, err := e.Addresses(short); err == nil {
			return nil, errors.New("a context that has ended was not heeded")
		}
		if _, err := e.Addresses(ctx); err != nil { // nor remembered
			return nil, err
		}
		_, err := e.Links(ctx)
		return nil, err
	}}
	h := w.Host()
	h.Links = &slowLinks{h.Links}
	e := &doctor.Exam{Host: h, Role: cluster.DirectorRole, Checks: []*doctor.Check{asks}}
	for _, fail := range []error{errors.New("once"), nil} {
		w.Fail("Links.Links", fail)
		findings := soon(t, t.Context(), e)
		if want := map[bool]doctor.Severity{true: doctor.OK, false: doctor.Unknown}[fail == nil]; findings[0].Severity != want {
			t.Errorf("after %v: %q", fail, told(findings))
		}
	}
	if e.Host != h {
		t.Error("the exam has another host")
	}
}

// slowLinks tell the addresses after a while.
type (
	linkView  = host.Links
	slowLinks struct{ linkView }
)

func (l *slowLinks) Addresses(ctx context.Context) ([]host.Address, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return l.linkView.Addresses(ctx)
	}
}

// No check asks the LAN in a passive exam, not even one that does not say so.
func TestPassive(t *testing.T) {
	for _, role := range checkRoles {
		w := lvsdrtest.Client(lvsdrtest.HealthyLAN())
		for _, call := range []string{"Wire.Ask", "Wire.Knock", "Wire.Claims", "Wire.Fetch"} {
			w.Fail(call, errors.New("the wire was asked"))
		}
		e := wireRole(t, role, "").Exam(w.Host())
		e.Passive = true
		for i, c := range e.Checks { // without what mutes them
			alone := *c
			alone.Needs = nil
			e.Checks[i] = &alone
		}
		for _, f := range soon(t, t.Context(), e) {
			if strings.Contains(f.What, "the wire was asked") {
				t.Errorf("%s: %s: %s", role, f.Check, f.What)
			}
		}
	}
}

// A check that is no Check.Wire asks nothing of the LAN, so that the field can be
// relied on.
func TestOnlyWireChecksAsk(t *testing.T) {
	for _, role := range checkRoles {
		w := lvsdrtest.Client(lvsdrtest.HealthyLAN())
		for _, call := range []string{"Wire.Ask", "Wire.Knock", "Wire.Claims", "Wire.Fetch"} {
			w.Fail(call, errors.New("the wire was asked"))
		}
		if err := w.Run("ip addr add 10.10.10.22/32 dev lo\nip addr add fd00:10::22/128 dev lo\nmodprobe ip_vs"); err != nil {
			t.Fatal(err)
		}
		e := wireRole(t, role, "").Exam(w.Host())
		e.Checks = slices.DeleteFunc(e.Checks, func(c *doctor.Check) bool { return c.Wire })
		for i, c := range e.Checks {
			alone := *c
			alone.Needs = nil
			e.Checks[i] = &alone
		}
		for _, f := range soon(t, t.Context(), e) {
			if strings.Contains(f.What, "the wire was asked") {
				t.Errorf("%s: %s: %s", role, f.Check, f.What)
			}
		}
	}
}
