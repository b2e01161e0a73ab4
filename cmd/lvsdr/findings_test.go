package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

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
