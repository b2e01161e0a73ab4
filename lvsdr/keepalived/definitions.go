package keepalived

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// definition is $NAME=VALUE: a text, or the lines of a block.
type definition struct {
	text  string
	lines []string // nil unless it has several
}

var (
	defining = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$`) })
	using    = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?:\s|$))`)
	})
)

// maxRounds bounds definitions that hold each other.
const maxRounds = 64

// value is what a name stands for: what the file defined, or keepalived itself.
func (r *reader) value(name, file string) (definition, bool) {
	switch name {
	case "_PWD":
		return definition{text: filepath.Dir(file)}, true
	case "_INSTANCE":
		return definition{text: r.id}, true
	case "_HASH":
		return definition{text: "#"}, true
	case "_BANG":
		return definition{text: "!"}, true
	}
	if d := r.defined[name]; d != nil {
		return *d, true
	}
	return definition{}, false
}

// substitute replaces the first name in the text that is defined. Lines is a block that
// the whole text stands for. It goes on behind from, and returns where the next search
// begins: at the replacement, which may hold names itself.
func (r *reader) substitute(text, file string, from int) (replaced string, lines []string, next int, found bool) {
	for from < len(text) {
		m := using().FindStringSubmatchIndex(text[from:])
		if m == nil {
			break
		}
		start, end := from+m[0], from+m[1]
		name := ""
		if m[2] >= 0 {
			name = text[from+m[2] : from+m[3]]
		} else {
			name, end = text[from+m[4]:from+m[5]], from+m[5]
		}
		d, ok := r.value(name, file)
		if !ok || escaped(text, start) {
			from = start + 1
			continue
		}
		if d.lines != nil && strings.TrimSpace(text[:start]+text[end:]) == "" {
			return "", d.lines, 0, true
		}
		value := d.text
		if d.lines != nil {
			value = strings.Join(d.lines, " ")
		}
		return text[:start] + value + text[end:], nil, start, true
	}
	return text, nil, 0, false
}

// escaped tells whether a backslash stands before the place.
func escaped(text string, at int) bool {
	n := 0
	for n < at && text[at-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}
