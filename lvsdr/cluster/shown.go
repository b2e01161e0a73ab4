package cluster

import (
	"strconv"
	"strings"
	"unicode"
)

// mostShown is how many characters of a text from outside an error repeats: enough to
// find it again.
const mostShown = 60

// short cuts a text.
func short(s string) string {
	n := 0
	for at := range s {
		if n == mostShown {
			return s[:at] + "…"
		}
		n++
	}
	return s
}

// shown is a text from outside within a message: cut, and quoted when it holds what
// does not print, which a terminal might obey.
func shown(s string) string {
	s = short(s)
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}
