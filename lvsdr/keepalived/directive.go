package keepalived

import (
	"fmt"
	"strings"
)

// Config is what keepalived reads: the directives of a file and of those it includes.
type Config struct {
	Directives []Directive
	// Left are the lines that a condition (@host) left out, and the includes whose
	// pattern no file matches.
	Left []Left
}

// A Directive is a keyword with its words, and the block behind it.
type Directive struct {
	// Words are the keyword and what stands behind it, without quotes.
	Words []string
	// Block is what stands in braces; nil where there are none.
	Block []Directive
	// Above are the comments on lines of their own before it, Beside is the one on its
	// line, both without their mark.
	Above  []string
	Beside string
	// File and Line are where it stands; not rendered.
	File string
	Line int
}

// Left is a line that counts for nothing.
type Left struct {
	File string
	Line int
	// For is the condition, as it stands: "@backup", "@^backup"; empty for an include
	// whose pattern no file matches.
	For string
}

// Keyword is the first word.
func (d Directive) Keyword() string { return d.Words[0] }

// Args are the words behind the keyword.
func (d Directive) Args() []string { return d.Words[1:] }

// arg is the first word behind the keyword, empty where there is none.
func (d Directive) arg() string {
	if len(d.Words) < 2 {
		return ""
	}
	return d.Words[1]
}

// text is the directive as it stands on its line.
func (d Directive) text() string { return strings.Join(d.Words, " ") }

// An Error tells where a file cannot be read as keepalived.conf.
type Error struct {
	File   string
	Line   int    // counted from 1
	Text   string // what stands there, cut; may be empty
	Reason string // what is wrong, and what is wanted
	Err    error  // what reading an included file failed with, or nil
}

// Error renders the error as "keepalived.conf:12: "…": reason".
func (e *Error) Error() string {
	text := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Text != "" {
		text += fmt.Sprintf("%q: ", e.Text)
	}
	return text + e.Reason
}

func (e *Error) Unwrap() error { return e.Err }

// short cuts what an error repeats.
func short(s string) string {
	const most = 60
	n := 0
	for at := range s {
		if n == most {
			return s[:at] + "…"
		}
		n++
	}
	return s
}
