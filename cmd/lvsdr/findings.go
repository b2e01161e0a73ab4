package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

// pageWidth is where the text of findings is wrapped; commands never are. A terminal has
// a width of its own, of which long lines use only a part.
const (
	pageWidth = 92
	widest    = 120
	narrowest = 40
)

// page is the width to wrap at.
func (o *output) page() int {
	if o.width == 0 {
		return pageWidth
	}
	return min(max(o.width, narrowest), widest)
}

// tellFindings prints what is wrong, the worst first: what was seen, why it matters,
// what mends it, and where to read more. With --verbose what is right and what was
// not looked at comes before, a line each; with --quiet warnings are left out.
func (s *session) tellFindings(w io.Writer, findings []doctor.Finding, ignored []string) {
	if s.verbose && len(findings) > 0 {
		s.listFindings(w, findings)
	}
	wrong := slices.DeleteFunc(slices.Clone(findings), func(f doctor.Finding) bool {
		return rank[f.Severity] == 0 || s.quiet && !f.Bad()
	})
	slices.SortStableFunc(wrong, func(a, b doctor.Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	for len(wrong) > 0 {
		n := 1
		for n < len(wrong) && wrong[n].Check == wrong[0].Check && wrong[n].Severity == wrong[0].Severity {
			n++
		}
		title := s.paint(severityColours[wrong[0].Severity], fmt.Sprintf("%-7s", wrong[0].Severity)) + "  " + s.paint(bold, wrong[0].Check)
		if slices.Contains(ignored, wrong[0].Check) {
			title += " (ignored)"
		}
		fmt.Fprintln(w, title)
		s.tellOne(w, wrong[:s.few(n)])
		if more := n - s.few(n); more > 0 {
			s.labelled(w, "and", fmt.Sprintf("%d more: --verbose tells them, and so does --output json", more))
		}
		fmt.Fprintln(w)
		wrong = wrong[n:]
	}
}

// mostTold is how many findings of one check the text has in full.
const mostTold = 10

// few is how many of n findings are told: a thousand real servers that are gone are one
// thing to know.
func (o *output) few(n int) int {
	if o.verbose || n <= mostTold {
		return n
	}
	return mostTold / 2
}

// rank orders the severities that speak against a host.
var rank = map[doctor.Severity]int{doctor.Failure: 1, doctor.Unknown: 2, doctor.Warning: 3}

var severityColours = map[doctor.Severity]string{
	doctor.OK: green, doctor.Skipped: "", doctor.Warning: yellow, doctor.Unknown: yellow, doctor.Failure: red,
}

// listFindings has a line for each thing that is not wrong.
func (s *session) listFindings(w io.Writer, findings []doctor.Finding) {
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Check))
	}
	for _, f := range findings {
		if rank[f.Severity] == 0 {
			fmt.Fprintf(w, "%s  %-*s  %s\n", s.paint(severityColours[f.Severity], fmt.Sprintf("%-7s", f.Severity)), width, f.Check, f.What)
		}
	}
	fmt.Fprintln(w)
}

// tellOne prints what one check has found; what several problems have in common is
// said once.
func (o *output) tellOne(w io.Writer, findings []doctor.Finding) {
	why := findings[0].Why
	for i, f := range findings {
		o.labelled(w, "seen", f.What)
		if i == 0 && why != "" {
			o.labelled(w, "why", why)
		}
		if i+1 < len(findings) && sameCure(f, findings[i+1]) {
			continue
		}
		where := "this host"
		if f.On != "" {
			where = f.On
		}
		if f.Fix != "" {
			o.labelled(w, "mend", "on "+where+", as root:")
			for line := range strings.Lines(f.Fix) {
				fmt.Fprintln(w, "            "+strings.TrimRight(line, "\n"))
			}
		}
		if f.Fix == "" && f.On != "" {
			o.labelled(w, "where", "on "+where)
		}
		if f.Advice != "" {
			o.labelled(w, "note", f.Advice)
		}
	}
	if findings[0].Docs != "" {
		o.labelled(w, "more", "lvsdr explain "+findings[0].Check)
	}
}

func sameCure(a, b doctor.Finding) bool {
	return a.Fix == b.Fix && a.On == b.On && a.Advice == b.Advice
}

// labelled prints a paragraph that stands beside its label.
func (o *output) labelled(w io.Writer, label, text string) {
	const margin = "         "
	fmt.Fprintf(w, "  %-5s  %s\n", label, strings.TrimPrefix(wrap(text, margin, o.page()), margin))
}

// summary counts findings by severity, all five always.
type summary struct {
	OK      int `json:"ok"`
	Warning int `json:"warning"`
	Failure int `json:"failure"`
	Unknown int `json:"unknown"`
	Skipped int `json:"skipped"`
}

func summarise(findings []doctor.Finding) (sum summary) {
	counts := map[doctor.Severity]*int{
		doctor.OK: &sum.OK, doctor.Warning: &sum.Warning, doctor.Failure: &sum.Failure,
		doctor.Unknown: &sum.Unknown, doctor.Skipped: &sum.Skipped,
	}
	for _, f := range findings {
		*counts[f.Severity]++
	}
	return sum
}

// String is the last line of a report.
func (sum summary) String() string {
	verdict := "healthy"
	switch {
	case sum.Failure > 0:
		verdict = "not healthy"
	case sum.Unknown > 0:
		verdict = "could not be told"
	}
	var counts []string
	for _, c := range []struct {
		n         int
		one, many string
	}{
		{sum.Failure, "1 failure", "%d failures"}, {sum.Unknown, "1 unknown", "%d unknown"}, {sum.Warning, "1 warning", "%d warnings"},
	} {
		if c.n == 1 {
			counts = append(counts, c.one)
		} else if c.n > 1 {
			counts = append(counts, fmt.Sprintf(c.many, c.n))
		}
	}
	passed := fmt.Sprintf("%d checks passed", sum.OK)
	if sum.OK == 1 {
		passed = "1 check passed"
	}
	return fmt.Sprintf("%s: %s, %d skipped", verdict, strings.Join(append(counts, passed), ", "), sum.Skipped)
}
