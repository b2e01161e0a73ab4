package lvsdrtest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// fileStep has some files there, in the ways that a step should not.
type fileStep struct {
	names       []string
	planEdits   bool // it edits while it plans
	forever     bool // it never is done
	leaves      bool // it leaves files at teardown
	takes       bool // it removes what was there before
	halfIsWhole bool // it takes the first file for all of them
}

func (fileStep) Name() string { return "files" }

func (s fileStep) Plan(_ context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	if s.planEdits {
		_ = h.Files.WriteFile("/run/looked", nil, 0o644)
	}
	if s.takes && want == step.Absent {
		_ = h.Files.Remove("/etc/theirs")
	}
	there := func(name string) bool {
		_, err := h.Files.ReadFile(name)
		return !errors.Is(err, fs.ErrNotExist)
	}
	if due := there(s.names[0]) != bool(want); !due && (s.halfIsWhole || len(s.names) == 1) && !s.forever {
		return nil, nil
	}
	var changes []step.Change
	for _, name := range s.names {
		switch {
		case want == step.Present && (!there(name) || s.forever):
			changes = append(changes, step.Change{Step: "files", Op: step.Add, Object: name, Do: func(context.Context) error {
				return h.Files.WriteFile(name, nil, 0o644)
			}})
		case want == step.Absent && there(name) && !s.leaves:
			changes = append(changes, step.Change{Step: "files", Op: step.Remove, Object: name, Do: func(context.Context) error {
				return h.Files.Remove(name)
			}})
		}
	}
	return changes, nil
}

// bad are steps with the law that each of them breaks.
var bad = map[string]struct {
	step fileStep
	law  string
}{
	"good":              {fileStep{names: []string{"/etc/a", "/etc/b"}}, ""},
	"edits in Plan":     {fileStep{names: []string{"/etc/a"}, planEdits: true}, "1_Plan_changes_nothing"},
	"never done":        {fileStep{names: []string{"/etc/a"}, forever: true}, "1_Plan_changes_nothing"},
	"leaves things":     {fileStep{names: []string{"/etc/a"}, leaves: true}, "4_Down_restores"},
	"takes things":      {fileStep{names: []string{"/etc/a"}, takes: true}, "1_Plan_changes_nothing"},
	"half is the whole": {fileStep{names: []string{"/etc/a", "/etc/b"}, halfIsWhole: true}, "5_broken_off_anywhere"},
}

const badVariable = "LVSDRTEST_BAD_STEP"

// TestBadStep fails when it is told to.
func TestBadStep(t *testing.T) {
	name, ok := os.LookupEnv(badVariable)
	if !ok {
		t.Skip("run by TestLawsCatch")
	}
	lvsdrtest.CheckLaws(t, func() (lvsdr.Role, error) {
		return lvsdr.Role{Name: "bad", Steps: []step.Step{bad[name].step}}, nil
	}, func(testing.TB) lvsdrtest.Box { return lvsdrtest.New("cat >/etc/theirs <<'EOF'\nEOF") })
}

// TestLawsCatch: each law is broken by some step, and then the test fails by it.
func TestLawsCatch(t *testing.T) {
	for name, b := range bad {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestBadStep$", "-test.v")
			cmd.Env = append(os.Environ(), badVariable+"="+name)
			output, err := cmd.CombinedOutput()
			if b.law == "" {
				if err != nil {
					t.Errorf("%v\n%s", err, output)
				}
				return
			}
			if err == nil || !strings.Contains(string(output), "--- FAIL: TestBadStep/"+b.law) {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}
