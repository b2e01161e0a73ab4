package main

// The rules of output.
//
// Results go to stdout: the changes, the status, a unit, a version, help that was
// asked for. Everything else goes to stderr: errors, hints, warnings, waiting,
// what --verbose tells. So a pipe gets results only.
//
// Errors begin with "lvsdr: ", hints with "hint: ", warnings with "lvsdr: warning: ".
// Messages have no capital at the beginning and no period at the end.
//
// With --output json stdout is exactly one JSON document on one line, also on
// error, when it holds what was done so far and the error; docs/output.md
// describes it. The error is told on stderr as well.
//
// Names from outside (processes, files, interfaces, keys of a configuration) may hold
// what a terminal obeys: it is escaped (host.Printable) where they become text.
//
// Colour only on a terminal, never with NO_COLOR set (no-color.org), and never as
// the only carrier of a meaning.
//
// --quiet leaves out what a script does not need, never an error and never a JSON
// document. Hints live here, in the command; the library's errors tell only what
// is wrong.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// output is where results and messages go.
type output struct {
	stdout, stderr               io.Writer
	json, quiet, verbose, colour bool
	width                        int // of the terminal, 0 where there is none
}

// newOutput looks at the words itself, because a wrong command line is told in
// the format that was asked for as well.
func newOutput(words []string, sys *system, stdout, stderr io.Writer) *output {
	o := &output{stdout: &written{w: stdout}, stderr: stderr, width: sys.width}
	o.json = slices.Contains(words, "--output=json")
	o.quiet = slices.Contains(words, "--quiet")
	o.verbose = slices.Contains(words, "--verbose")
	o.colour = sys.terminal && !o.json && sys.getenv("NO_COLOR") == "" && sys.getenv("TERM") != "dumb"
	return o
}

// written remembers that something could not be written, on a full disk say.
type written struct {
	w   io.Writer
	err error
}

func (w *written) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

func (o *output) printf(format string, args ...any) {
	fmt.Fprintf(o.stdout, format+"\n", args...)
}

// say tells something on the way, in text and in JSON mode alike.
func (o *output) say(format string, args ...any) {
	for line := range strings.Lines(host.Printable(fmt.Sprintf(format, args...))) {
		fmt.Fprintln(o.stderr, "lvsdr: "+strings.TrimSuffix(line, "\n"))
	}
}

// note is a say that --quiet leaves out.
func (o *output) note(format string, args ...any) {
	if !o.quiet {
		o.say(format, args...)
	}
}

func (o *output) detail(format string, args ...any) {
	if o.verbose {
		o.say(format, args...)
	}
}

// document prints v as the one JSON document. What a terminal might obey is escaped,
// also where JSON would leave it as it is.
func (o *output) document(v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(o.stdout, host.Printable(b.String()))
	return err
}

func (o *output) paint(colour, text string) string {
	if !o.colour {
		return text
	}
	return colour + text + "\x1b[0m"
}

// The colours.
const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	bold   = "\x1b[1m"
)

// finish prints what a command came to and returns its exit status.
func (s *session) finish(ctx context.Context, err error) int {
	status := s.conclude(ctx, err)
	if w, ok := s.stdout.(*written); ok && w.err != nil {
		s.say("the result could not be written: %v", w.err)
		return max(status, exitFailed)
	}
	return status
}

func (s *session) conclude(ctx context.Context, err error) int {
	status := exitStatus(ctx, err)
	if errors.Is(err, errUnhealthy) {
		return status
	}
	var f *failure
	if err != nil {
		f = describe(ctx, err, s.report)
		f.Hint = s.asRoot(f.Hint)
	}
	if r := s.report; r != nil && !s.json {
		r.print(s.output, err)
		s.tellFindings(s.stderr, r.Findings, nil)
	} else if s.json && (r != nil || f != nil) {
		if r == nil {
			r = &report{}
		}
		r.Error = f
		_ = s.document(r.complete()) // what cannot be written is told by finish
	}
	if f != nil {
		s.say("%s", strings.TrimPrefix(f.Message, "lvsdr: "))
		if f.Hint != "" {
			fmt.Fprintln(s.stderr, "hint: "+host.Printable(f.Hint))
		}
	}
	return status
}
