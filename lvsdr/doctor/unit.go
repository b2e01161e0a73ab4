package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var unitKept = &Check{
	Code:  "unit",
	Title: "the systemd unit is enabled and as set-up wrote it, and what it runs at boot is there",
	Why:   "After a reboot the unit brings the host back to its role; nothing else does.",
	Step:  step.Unit,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		here, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		lasting, err := e.lasting()
		if err != nil {
			return nil, err
		}
		if e.Stage == BeforeSetUp || !here || !lasting {
			return skip("lvsdr has not set this host up to last"), nil
		}
		i := slices.IndexFunc(e.Steps, func(s step.Step) bool { return s.Name() == step.Unit })
		if i < 0 && e.AtBoot == nil {
			return skip("it is not known here which unit there should be"), nil
		}
		for _, look := range []func() ([]Problem, error){e.unitThere, e.unitProgram, e.unitRefused} {
			if problems, err := look(); err != nil || len(problems) > 0 {
				return problems, err
			}
		}
		if i < 0 {
			return nil, nil
		}
		return e.due(ctx, e.Host, e.Steps[i])
	},
}

// unitThere tells whether systemd has the unit and may start it.
func (e *Exam) unitThere() ([]Problem, error) {
	file := step.UnitFile(e.Role)
	masked, err := step.Masked(e.Host.Files, file)
	if err != nil {
		return nil, err
	}
	if masked {
		p := problem(host.ShellLine("rm", file)+"\n"+e.SetUpCommand(),
			"%s is masked: systemd does not start it, and this host is no %s after a reboot", file, spokenRole(e.Role))
		p.Advice = "Somebody has masked it on purpose, and set-up leaves it so. If the host is to give the role up: lvsdr teardown " + e.Role + "."
		return []Problem{p}, nil
	}
	if there, err := host.Exists(e.Host.Files, file); err != nil || there {
		return nil, err
	}
	p := problem(e.SetUpCommand(), "%s is gone: this host is no %s after a reboot", file, spokenRole(e.Role))
	p.Advice = "If it is to be one until the next reboot only, set it up so: lvsdr teardown " + e.Role + ", then set-up with --runtime."
	return []Problem{p}, nil
}

// spokenRole is the role in a sentence.
func spokenRole(role string) string {
	if role == "realserver" {
		return "real server"
	}
	return role
}

// ErrOtherAtBoot is what [Exam.AtBoot] fails with where the unit runs another command
// than set-up: what the host is after a reboot is not known.
var ErrOtherAtBoot = errors.New("the unit does something else at boot than set this host up")

// An AtBootWarning is what [Exam.AtBoot] says of a boot that works but may not always.
type AtBootWarning struct{ What, Advice string }

func (w *AtBootWarning) Error() string { return w.What }

// unitRefused tells whether set-up will refuse at boot what the unit tells it.
func (e *Exam) unitRefused() ([]Problem, error) {
	if e.AtBoot == nil {
		return nil, nil
	}
	err := e.AtBoot()
	if err == nil {
		return nil, nil
	}
	if errors.Is(err, ErrOtherAtBoot) {
		return []Problem{warning(e.SetUpCommand(), "%v", err)}, nil
	}
	var loose *AtBootWarning
	if errors.As(err, &loose) {
		p := warning("", "%s", loose.What)
		p.Advice = loose.Advice
		return []Problem{p}, nil
	}
	p := problem("", "at boot set-up will be refused what the unit tells it: %v", err)
	p.Advice = "Put right what it names, or set this host up again, which writes the unit anew."
	if e.SetUp != "" {
		p.Fix = e.SetUp
	}
	return []Problem{p}, nil
}

// unitProgram tells whether the command that the unit runs is there.
func (e *Exam) unitProgram() ([]Problem, error) {
	text, err := e.Host.Files.ReadFile(step.UnitFile(e.Role))
	if err != nil {
		return nil, err
	}
	program := unitCommand(string(text))
	if program == "" {
		return nil, nil
	}
	names, err := e.Host.Files.ReadDir(path.Dir(program)) // the program itself may be huge
	if slices.Contains(names, path.Base(program)) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return []Problem{problem(e.SetUpCommand(), "%s runs %s at boot, which is not there", step.UnitFile(e.Role), program)}, nil
}

// unitCommand is the program in a unit's text, empty when it is written in a way that
// is not read here.
func unitCommand(text string) string {
	_, command, _ := strings.Cut(text, "\nExecStart=")
	end := " "
	if strings.HasPrefix(command, `"`) {
		command, end = command[1:], `"`
	}
	program, _, _ := strings.Cut(command, end)
	if !path.IsAbs(program) || strings.ContainsAny(program, "%\\\n") {
		return ""
	}
	return path.Clean(program)
}
