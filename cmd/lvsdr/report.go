package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// report is what setup, plan and teardown tell; as JSON it is described in
// docs/output.md.
type report struct {
	Role     string        `json:"role"`
	DryRun   bool          `json:"dryRun,omitempty"`
	Changes  []step.Change `json:"changes"`
	Warnings []string      `json:"warnings,omitempty"`
	// Findings are what preflight and proof have found against the host.
	Findings []doctor.Finding `json:"findings,omitempty"`
	// Draining is what a drain has left open at the end of its time.
	Draining []busy   `json:"draining,omitempty"`
	Error    *failure `json:"error,omitempty"`

	teardown bool
	reassert bool             // told only where something was changed
	already  string           // what holds when there is nothing to do
	ended    string           // what a drain came to
	works    []string         // what works after a set-up, and what is next
	goOn     string           // how to go on with a drain, where it is not by set-up
	root     string           // of the image that it is about
	back     string           // how to return to what was before, where that is known
	foreseen []doctor.Finding // told already, unless as JSON
}

// failure is an error as JSON.
type failure struct {
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Step    string       `json:"step,omitempty"`
	Change  *step.Change `json:"change,omitempty"` // the one that failed
	File    string       `json:"file,omitempty"`
	Line    int          `json:"line,omitempty"`
	Column  int          `json:"column,omitempty"`
	Path    string       `json:"path,omitempty"`
	// Draining is what a drain that was broken off was waiting for.
	Draining []busy `json:"draining,omitempty"`
	Text     string `json:"text,omitempty"`
}

func describe(ctx context.Context, err error, r *report) *failure {
	f := &failure{Message: err.Error(), Hint: hint(ctx, err, r)}
	var step *step.StepError
	if errors.As(err, &step) {
		f.Step, f.Change = step.Step, step.Change
	}
	if exitStatus(ctx, err) == exitInterrupted {
		f.Message = "interrupted: " + strings.TrimPrefix(f.Message, "lvsdr: ")
		if f.Change != nil && errors.Is(err, context.Canceled) {
			f.Message = "interrupted before this change: " + f.Change.String()
		}
	}
	if broken := drainOf(err); broken != nil {
		f.Draining = busyOnes(broken.Left)
		if exitStatus(ctx, err) == exitInterrupted {
			f.Message = "interrupted " + brokenDrain(broken)
		}
	}
	var config *cluster.ConfigError
	if errors.As(err, &config) {
		f.File, f.Line, f.Column = config.File, config.Line, config.Column
		f.Path, f.Text = config.Path, config.Text
	}
	return f
}

// complete has an empty list where there are no changes, never null, and all findings.
func (r *report) complete() *report {
	r.Findings = append(r.foreseen, r.Findings...)
	if r.Changes == nil {
		r.Changes = []step.Change{}
	}
	return r
}

// print prints the changes, also those made before an error. Err is nil or
// a proof that failed when all of them were made.
func (r *report) print(o *output, err error) {
	ok := err == nil || isUnproved(err)
	if r.reassert && len(r.Changes) == 0 {
		return
	}
	if r.reassert {
		o.printf("this host was not as it is described; changed:")
	}
	if !o.quiet || r.DryRun {
		for _, line := range lines(o, r.Changes) {
			o.printf("%s", line)
		}
	}
	if o.quiet {
		return
	}
	if ok || len(r.Changes) > 0 {
		o.printf("%s", r.summary(ok))
	}
	if r.ended != "" {
		o.printf("%s", r.ended)
	}
	for _, line := range r.works {
		o.printf("%s", line)
	}
	for _, w := range r.Warnings {
		o.say("warning: %s", w)
	}
}

func (r *report) summary(ok bool) string {
	n := len(r.Changes)
	count := fmt.Sprintf("%d changes", n)
	if n == 1 {
		count = "1 change"
	}
	switch {
	case !ok:
		return count + " made before it stopped"
	case n > 0 && r.DryRun:
		return count + " to make"
	case n > 0:
		return count + " made"
	case r.already != "":
		return "nothing to do: " + r.already
	case r.teardown && r.Role == "":
		return "nothing to do: nothing of lvsdr is set up " + r.on()
	case r.teardown:
		return "nothing to do: nothing of a " + spoken(r.Role) + " is set up " + r.on()
	}
	return "nothing to do: " + here(r.root) + " is already the " + spoken(r.Role) + " described"
}

// on is where something is set up.
func (r *report) on() string {
	if r.root != "" {
		return "in " + r.root
	}
	return "on this host"
}

// here is what a command is about, in a sentence.
func here(root string) string { return cmp.Or(root, "this host") }

// spoken is a role in a sentence.
func spoken(role string) string {
	if role == cluster.RealServerRole {
		return "real server"
	}
	return role
}

// widestObject is what the column of objects grows to; a longer one sticks out
// instead of pushing all values out of sight.
const widestObject = 60

// lines renders one line a change: step, op, object, from -> to.
func lines(o *output, changes []step.Change) []string {
	var step, op, object int
	for _, c := range changes {
		step = max(step, utf8.RuneCountInString(c.Step))
		op = max(op, len(c.Op))
		if n := utf8.RuneCountInString(oneLine(c.Object)); values(c) != "" && n <= widestObject {
			object = max(object, n)
		}
	}
	out := make([]string, len(changes))
	for i, c := range changes {
		line := fmt.Sprintf("%-*s  %s  %-*s  %s", step, c.Step,
			o.paint(colours[c.Op], fmt.Sprintf("%-*s", op, c.Op)), object, oneLine(c.Object), values(c))
		out[i] = strings.TrimRight(line, " ")
	}
	return out
}

var colours = map[step.Op]string{step.Add: green, step.Set: yellow, step.Remove: red}

// values is what stands behind the object: what is added, what is removed, or
// what it is set from and to.
func values(c step.Change) string {
	from, to := oneLine(c.From), oneLine(c.To)
	if (c.Op == step.Set && to != "") || (from != "" && to != "") {
		return strings.TrimSpace(from + " -> " + to)
	}
	return from + to
}

// oneLine keeps a value with line breaks in its line, and shows what does not print.
func oneLine(s string) string {
	return host.Printable(strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", " ").Replace(s))
}
