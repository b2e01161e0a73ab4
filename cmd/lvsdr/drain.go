package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// draining has a drain tell whom it waits for and how long, on a terminal all the time,
// and what it has cut in the end.
func (s *session) draining(ctx context.Context) (told context.Context, done func()) {
	live := s.sys.watched && !s.quiet
	shown := false
	done = func() {
		if shown {
			fmt.Fprint(s.stderr, clearLine)
		}
		shown = false
	}
	return step.WithDrainTrace(ctx, step.DrainTrace{
		Waiting: func(left []step.Busy, most time.Duration) {
			s.note("waiting at most %v for %s to end%s …", most, step.JoinBusy(left), s.impatient())
		},
		Still: func(left []step.Busy, rest time.Duration) {
			if live {
				shown = true
				line := fmt.Sprintf("still %s, %v at most", step.JoinBusy(left), rest.Round(time.Second))
				fmt.Fprint(s.stderr, clearLine+fitted(host.Printable(line)))
			}
		},
		Over: func(left []step.Busy) {
			done()
			if s.report.goOn != "" {
				return // nothing is cut
			}
			s.report.Warnings = append(s.report.Warnings, step.JoinBusy(left)+" had not ended in time and were cut")
		},
	}), done
}

// impatient is how not to wait, where that is possible.
func (s *session) impatient() string {
	if s.report.goOn != "" || s.report.teardown {
		return ""
	}
	return " (--force does not wait)"
}

// wayBack is how to return to what was described before, for a set-up whose drain is
// broken off; empty where nothing else was described.
func (s *session) wayBack(p *patient) string {
	unit, err := s.installedAs(p.role.Name)
	command := host.ShellLine("lvsdr", "setup", p.role.Name)
	switch {
	case err != nil:
		return ""
	case unit.plain.file != "" && unit.plain.file == p.src.file:
		return "undo the change of " + p.src.file + ", then " + command
	case unit.Config.Equal(p.src.Config):
		return ""
	}
	return host.ShellLine(append([]string{"lvsdr", "setup", p.role.Name}, unit.Args...)...)
}

// brokenDrain words a drain that a signal, or an error, has ended before its time.
func brokenDrain(broken *step.DrainError) string {
	if len(broken.Left) == 0 {
		return "before it knew what is still open"
	}
	return "while it waited for " + step.JoinBusy(broken.Left) + " to end: nothing was cut, what is to go stays there"
}

// hintDrain tells how to go on, and how to go back.
func hintDrain(r *report) string {
	again := goOn + " (--force does not wait)"
	switch {
	case r == nil || r.teardown:
		return goOn
	case r.goOn != "":
		return goOn + "; or go back: " + r.back
	case r.back != "":
		return again + "; or go back: " + r.back
	case r.Role == cluster.RealServerRole:
		return again
	}
	return again + "; or describe the cluster as it was before and set up again to go back"
}

// busy is a [step.Busy] as JSON.
type busy struct {
	Service     string `json:"service"`
	RealServer  string `json:"realServer,omitempty"`
	Connections int    `json:"connections"`
}

func busyOnes(left []step.Busy) []busy {
	var all []busy
	for _, b := range left {
		one := busy{Service: b.Service.String(), Connections: b.Connections}
		if b.RealServer.IsValid() {
			one.RealServer = b.RealServer.String()
		}
		all = append(all, one)
	}
	return all
}

// drainOf is the drain that an error has broken off, nil when it has none.
func drainOf(err error) *step.DrainError {
	var broken *step.DrainError
	if !errors.As(err, &broken) {
		return nil
	}
	return broken
}
