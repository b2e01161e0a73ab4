//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A report prints Markdown as it grows.
type report struct{ out io.Writer }

func newReport(out io.Writer) *report { return &report{out} }

func (r *report) table(title string, head ...string) {
	fmt.Fprintf(r.out, "\n### %s\n\n", title)
	r.row(head...)
	r.row(strings.Split(strings.Repeat("---|", len(head)-1)+"---", "|")...)
}

func (r *report) row(cells ...string) {
	fmt.Fprintf(r.out, "| %s |\n", strings.Join(cells, " | "))
}

// ratio renders how long something took in units of what it is compared with.
func ratio(t, unit time.Duration) string {
	if unit == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g", float64(t)/float64(unit))
}

// times renders how many times as long other took.
func times(other, t time.Duration) string { return ratio(other, t) + " times" }
