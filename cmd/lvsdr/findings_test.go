package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

// A thousand findings of one check are told by a few, and counted; --verbose has all.
func TestManyFindingsAreCounted(t *testing.T) {
	var many []doctor.Finding
	for i := range 1000 {
		many = append(many, doctor.Finding{Check: "real-server", Severity: doctor.Failure, What: fmt.Sprintf("10.0.%d.%d does not answer", i/256, i%256)})
	}
	tell := func(verbose bool, findings []doctor.Finding) string {
		var b strings.Builder
		s := &session{output: &output{stdout: &b, verbose: verbose}}
		s.tellFindings(&b, findings, nil)
		return b.String()
	}
	text := tell(false, many)
	if n := strings.Count(text, "does not answer"); n != 5 || !strings.Contains(text, "995 more") || len(text) > 2000 {
		t.Errorf("%d of 1000 in %d characters:\n%.500s", n, len(text), text)
	}
	if n := strings.Count(tell(true, many), "does not answer"); n != 1000 {
		t.Errorf("--verbose has %d of 1000", n)
	}
	if n := strings.Count(tell(false, many[:10]), "does not answer"); n != 10 {
		t.Errorf("%d of 10", n)
	}
}

// Findings are wrapped at the terminal's width; elsewhere at that of a page.
func TestFindingsFitTheTerminal(t *testing.T) {
	for width, most := range map[int]int{0: 92, 60: 60, 10: 40, 300: 120} {
		var b strings.Builder
		o := &output{stdout: &b, width: width}
		o.tellOne(&b, []doctor.Finding{{What: strings.Repeat("word ", 80), Why: strings.Repeat("reason ", 50)}})
		longest := 0
		for line := range strings.Lines(b.String()) {
			longest = max(longest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
		}
		if longest > most || longest < most-12 {
			t.Errorf("on %d columns lines have up to %d, want %d", width, longest, most)
		}
	}
}
