package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Severity tells how a check ended.
type Severity string

// The severities, from good to bad. Unknown is never a pass.
const (
	OK      Severity = "ok"
	Skipped Severity = "skipped" // it makes no sense here, or another finding explains it
	Warning Severity = "warning" // it works, but something will break it, or hurts
	Unknown Severity = "unknown" // it could not be told
	Failure Severity = "failure" // it is broken
)

// A Check is one question to a host and, from it, to the cluster. It is a value
// of its own and stands in the list of each role that it is for; the list is the
// order of the report.
type Check struct {
	Code  string // "arp-ignore": in output, in --ignore, the heading in docs/checks.md; for ever
	Title string // what holds when it passes: "the VIP is one of this host's addresses"
	Why   string // why it matters, one sentence
	Step  string // the step whose changes mend it, empty when none of ours does
	// Wire: it asks the LAN and is left out of a passive exam. Another may ask it for
	// what makes it certain, and does without in a passive exam.
	Wire bool
	// Preflight: set-up is not begun while it fails, because set-up cannot mend it.
	Preflight bool
	// Foresees: it tells what set-up's own changes will do to others, so that a plan
	// tells it too. Such a check warns, passively, before set-up only.
	Foresees bool

	// Needs are the checks without which this one makes no sense: when one of
	// them fails, this one is skipped, so that one cause is one finding.
	Needs []*Check

	// AfterAll: it runs when all others have ended, because it tells what they have
	// not explained ([Exam.Explained]). Only another such check may need it.
	AfterAll bool

	// Run returns what is wrong, nothing when all is well, and an error only when
	// it could not tell. It runs beside other checks, changes nothing, and returns
	// when the context ends.
	Run func(ctx context.Context, e *Exam) ([]Problem, error)
}

// A Problem is one thing that a check has seen.
type Problem struct {
	Severity Severity // Failure when empty; Skipped tells what was not looked at
	What     string   // what was seen, with its values
	Fix      string   // the shell command that mends it, empty when none does
	// On is the host that it is about and that Fix is to run on, an address of it;
	// invalid: the host examined.
	On     netip.Addr
	Advice string // what to do where no command can, or what to know before running it
	Step   string // the step whose changes mend it, where it is not the check's
}

// problem is a failure on the host examined.
func problem(fix, format string, args ...any) Problem {
	return Problem{Severity: Failure, What: fmt.Sprintf(format, args...), Fix: fix}
}

// warning is a problem that breaks nothing yet.
func warning(fix, format string, args ...any) Problem {
	return Problem{Severity: Warning, What: fmt.Sprintf(format, args...), Fix: fix}
}

// yours is a problem whose fix changes files that are not set-up's.
func (p Problem) yours() Problem {
	const left = "the file is yours: teardown leaves it as you make it"
	if p.Fix != "" && p.Advice != "" {
		p.Advice += "; " + left
	} else if p.Fix != "" {
		p.Advice = left
	}
	return p
}

// skip tells why a check makes no sense here.
func skip(format string, args ...any) []Problem {
	return []Problem{{Severity: Skipped, What: fmt.Sprintf(format, args...)}}
}

// A Finding is what a check came to, flat, one a problem.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	What     string   `json:"what"` // what was seen; when ok, what holds
	Why      string   `json:"why,omitempty"`
	Fix      string   `json:"fix,omitempty"`
	On       string   `json:"on,omitempty"` // the host that it is about and to run fix on, empty: this one
	Advice   string   `json:"advice,omitempty"`
	Docs     string   `json:"docs,omitempty"` // docs/checks.md#code
	// Step is the step whose changes mend it.
	Step string `json:"step,omitempty"`
}

// Bad tells whether the finding speaks against the host, as a failure does and what
// could not be told.
func (f Finding) Bad() bool { return f.Severity == Failure || f.Severity == Unknown }

// finding is where texts that checks have put together, with names from outside in
// them, become printable. A fix quotes its words itself ([host.ShellWord]).
func (c *Check) finding(p Problem) Finding {
	f := Finding{
		Check: c.Code, Severity: p.Severity,
		What: host.Printable(p.What), Fix: host.Printable(p.Fix), Advice: host.Printable(p.Advice),
	}
	if f.Severity == "" {
		f.Severity = Failure
	}
	if f.Severity == Skipped || f.Severity == OK {
		return f
	}
	f.Why, f.Docs, f.Step = c.Why, "docs/checks.md#"+c.Code, cmp.Or(p.Step, c.Step)
	if p.On.IsValid() {
		f.On = p.On.String()
	}
	return f
}
