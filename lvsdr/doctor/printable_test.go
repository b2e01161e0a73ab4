package doctor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// TestNamesFromOutside: whatever a check has seen, findings and changes print.
func TestNamesFromOutside(t *testing.T) {
	const name, want = "\x1b]0;owned\x07\x9b", `\u001b]0;owned\u0007\x9b`
	check := &doctor.Check{Code: "mine", Title: "all is well", Run: func(context.Context, *doctor.Exam) ([]doctor.Problem, error) {
		return []doctor.Problem{{What: name, Fix: "kill " + name, Advice: name}}, errors.New(name)
	}}
	e := &doctor.Exam{Host: &host.Host{}, Checks: []*doctor.Check{check}}
	findings := e.Run(t.Context())
	if len(findings) != 2 {
		t.Fatalf("findings %v", findings)
	}
	if f := findings[0]; f.What != want || f.Fix != "kill "+want || f.Advice != want {
		t.Errorf("finding %+v", f)
	}
	if f := findings[1]; f.What != "could not tell: "+want {
		t.Errorf("error %q", f.What)
	}
	change := step.Change{Step: "vip", Op: step.Add, Object: name}
	for _, text := range []string{change.String(), (&step.StepError{Step: "vip", Change: &change, Err: errors.New(name)}).Error()} {
		if host.Printable(text) != text {
			t.Errorf("%q does not print", text)
		}
	}
}
