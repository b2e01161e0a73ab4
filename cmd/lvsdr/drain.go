package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/step"
)

// draining has a drain tell whom it waits for, and what it has cut in the end.
func (s *session) draining(ctx context.Context) context.Context {
	return step.WithDrainTrace(ctx, step.DrainTrace{
		Waiting: func(left []step.Busy, most time.Duration) {
			s.note("waiting at most %v for %s to end (--force does not wait) …", most, openOn(left))
		},
		Over: func(left []step.Busy) {
			s.report.Warnings = append(s.report.Warnings, openOn(left)+" had not ended in time and were cut")
		},
	})
}

// openOn counts the connections, and names the first few real servers.
func openOn(left []step.Busy) string {
	const shown = 3
	n := 0
	var where []string
	for i, b := range left {
		n += b.Connections
		if i < shown {
			where = append(where, fmt.Sprintf("%s -> %s", b.Service, b.RealServer))
		}
	}
	if more := len(left) - shown; more > 0 {
		where = append(where, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d connections (%s)", n, strings.Join(where, ", "))
}
