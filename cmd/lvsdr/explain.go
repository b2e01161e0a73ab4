package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/docs"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

func explainCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "explain a check of the doctor: what it means, what mends it, where the fact comes from",
		ArgsUsage: "CODE",
		UsageText: `# what the doctor means by it
lvsdr explain arp-ignore
# the codes of all checks
lvsdr doctor --list`,
		Action: s.explain,
	}
}

func (s *session) explain(ctx context.Context, c *cli.Command) error {
	if c.NArg() != 1 {
		return &usageError{text: "say which check: lvsdr explain CODE", hint: "lvsdr doctor --list has the codes"}
	}
	code := c.Args().First()
	check := checkOf(code)
	if check == nil {
		return unknownCheck("lvsdr explain", code)
	}
	text, _ := docs.Check(code) // a test holds that every check has one
	s.printf("%s: %s\n\n%s", code, check.Title, s.wrapAll(text))
	return nil
}

// checkOf is the check of that code, nil when there is none.
func checkOf(code string) *doctor.Check {
	for _, role := range examinedRoles {
		for _, check := range doctor.Checks(role) {
			if check.Code == code {
				return check
			}
		}
	}
	return nil
}

// wrapAll wraps each paragraph; its lines are sentences of one.
func (o *output) wrapAll(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = wrap(strings.ReplaceAll(p, "\n", " "), "", o.page())
	}
	return strings.Join(paragraphs, "\n\n")
}

// listChecks prints the codes of the role's checks, or of all, with what they ask.
func (s *session) listChecks(role string) {
	width := 0
	for _, code := range allCodes() {
		width = max(width, len(code))
	}
	for _, code := range allCodes() {
		if role == "" || isOf(role, code) {
			s.printf("%-*s  %s", width, code, checkOf(code).Title)
		}
	}
}

func isOf(role, code string) bool {
	for _, check := range doctor.Checks(role) {
		if check.Code == code {
			return true
		}
	}
	return false
}
