package doctor_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// ends is a check that ends so.
func ends(code string, problems []doctor.Problem, err error, needs ...*doctor.Check) *doctor.Check {
	return &doctor.Check{Code: code, Title: code + " holds", Why: "because", Needs: needs,
		Run: func(context.Context, *doctor.Exam) ([]doctor.Problem, error) { return problems, err }}
}

func told(findings []doctor.Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, fmt.Sprintf("%s %s: %s", f.Severity, f.Check, f.What))
	}
	return all
}

// One cause is one finding; what could not be told is no pass; the order is that of
// the checks.
func TestExam(t *testing.T) {
	good := ends("good", nil, nil)
	bad := ends("bad", []doctor.Problem{{What: "one"}, {What: "two", Fix: "true"}}, nil)
	warned := ends("warned", []doctor.Problem{{Severity: doctor.Warning, What: "soon"}}, nil)
	forbidden := ends("forbidden", nil, fmt.Errorf("ask the kernel: %w", fs.ErrPermission))
	wire := &doctor.Check{Code: "wire", Wire: true, Run: func(ctx context.Context, e *doctor.Exam) ([]doctor.Problem, error) {
		_, err := e.Host.Wire.Ask(ctx, "eth0", nil, 0)
		return nil, err
	}}
	exam := doctor.Exam{Host: &host.Host{Files: lvsdrtest.New().Host().Files}, Checks: []*doctor.Check{
		ends("of-bad", nil, nil, bad), ends("of-that", nil, nil, good, ends("elsewhere", nil, nil)),
		bad, good, warned, ends("of-warned", nil, nil, warned), forbidden, ends("of-forbidden", nil, nil, forbidden), wire,
	}}
	var running, ran atomic.Int32
	exam.Watch = func(_ *doctor.Check, begins bool) {
		if begins {
			running.Add(1)
			ran.Add(1)
		} else {
			running.Add(-1)
		}
	}
	findings := exam.Run(t.Context())
	want := []string{
		"skipped of-bad: because of bad", "ok of-that: of-that holds", "failure bad: one", "failure bad: two", "ok good: good holds",
		"warning warned: soon", "ok of-warned: of-warned holds",
		"unknown forbidden: could not tell: ask the kernel: permission denied", "skipped of-forbidden: because of forbidden",
		"skipped wire: not available: this host cannot be looked at so",
	}
	if got := told(findings); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if f := findings[7]; f.Advice != "run it as root" || f.Docs != "docs/checks.md#forbidden" {
		t.Errorf("%+v", f)
	}
	if running.Load() != 0 || ran.Load() != 7 {
		t.Errorf("%d checks ran, %d still do", ran.Load(), running.Load())
	}

	exam.Only, exam.Passive = []string{"of-warned", "wire"}, true
	want = []string{"warning warned: soon", "ok of-warned: of-warned holds", "skipped wire: nothing is put on the wire (--passive)"}
	if got := told(exam.Run(t.Context())); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// ofRole picks the codes of checks that the exam has.
func ofRole(e *doctor.Exam, codes []string) []string {
	var some []string
	for _, c := range e.Checks {
		if slices.Contains(codes, c.Code) {
			some = append(some, c.Code)
		}
	}
	return some
}
