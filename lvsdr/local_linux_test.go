package lvsdr_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// The steps and the checks of a role see the network namespace of the thread that
// called Local, though the doctor asks from other threads.
func TestRoleOfLocalStaysInItsNamespace(t *testing.T) {
	lab.OwnNetns(t, "cable mine0 mine1")
	h := lvsdr.Local()
	seen := map[string]string{}
	role := lvsdr.Role{
		Name:  "mine",
		Steps: []step.Step{looking{seen}},
		Checks: []*doctor.Check{{
			Code: "mine", Title: "the links are those of the namespace",
			Run: func(ctx context.Context, e *doctor.Exam) ([]doctor.Problem, error) {
				var err error
				seen["doctor"], err = linkNames(ctx, e.Host)
				return nil, err
			},
		}},
	}
	if _, err := role.Plan(t.Context(), h, step.Present); err != nil {
		t.Error(err)
	}
	if findings := role.Doctor(t.Context(), h); len(findings) != 1 || findings[0].Severity != doctor.OK {
		t.Errorf("findings: %v", findings)
	}
	if seen["step"] != "lo mine1 mine0" || seen["doctor"] != seen["step"] {
		t.Errorf("the step saw %q, the doctor %q, the namespace has lo and two ends of a cable", seen["step"], seen["doctor"])
	}
}

// looking is a step with nothing to do.
type looking struct{ seen map[string]string }

func (looking) Name() string { return "looking" }

func (l looking) Plan(ctx context.Context, h *host.Host, _ step.State) (_ []step.Change, err error) {
	l.seen["step"], err = linkNames(ctx, h)
	return nil, err
}

func linkNames(ctx context.Context, h *host.Host) (string, error) {
	links, err := h.Links.Links(ctx)
	if err != nil {
		return "", fmt.Errorf("links: %w", err)
	}
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	return strings.Join(names, " "), nil
}
