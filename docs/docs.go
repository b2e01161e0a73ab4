// Package docs is the part of the documentation that the command carries with it.
package docs

import (
	_ "embed"
	"strings"
)

//go:embed checks.md
var checks string

// Check is what checks.md says under the code's heading, without the heading, and
// whether there is one.
func Check(code string) (string, bool) {
	_, section, ok := strings.Cut(checks, "\n### "+code+"\n")
	if !ok {
		return "", false
	}
	for _, next := range []string{"\n### ", "\n## "} {
		section, _, _ = strings.Cut(section, next)
	}
	return strings.TrimSpace(section), true
}
