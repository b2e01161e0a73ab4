package keepalived

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxSize bounds what is read, all included files together, and what definitions
	// make of it.
	maxSize = 1 << 20
	// maxDepth bounds files that include each other, and blocks in blocks.
	maxDepth = 32
)

// Options are what a file does not hold itself.
type Options struct {
	// ID is what the conditions @NAME ask for: the name of the host up to its first
	// dot, unless keepalived runs with --config-id.
	ID string
	// ReadFile and Glob reach the included files, by names relative to the file that
	// includes them; without them an include is refused.
	ReadFile func(name string) ([]byte, error)
	Glob     func(pattern string) ([]string, error)
}

// line is one that counts: behind definitions and conditions.
type line struct {
	file          string
	n             int
	text, comment string
}

type reader struct {
	Options
	id      string
	defined map[string]*definition
	lines   []line
	left    []Left
	within  []string // the files that include each other
	size    int      // of all that was read, and made of it
}

// refusal is an error at a line.
func (at line) refusal(text, reason string) error {
	return &Error{File: at.file, Line: at.n, Text: short(text), Reason: reason}
}

// file reads the lines of a file.
func (r *reader) file(name string, data []byte) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if r.size += len(data); r.size > maxSize {
		return line{file: name, n: 1}.refusal("", tooLarge)
	}
	r.within = append(r.within, name)
	defer func() { r.within = r.within[:len(r.within)-1] }()
	var block *definition // being defined over several lines
	leaving := false      // the rest of a line that a condition left out
	for i, raw := range strings.Split(string(data), "\n") {
		at := line{file: name, n: i + 1}
		if reason := notText(raw); reason != "" {
			return at.refusal("", reason)
		}
		text, comment, continued, open := cutComment(raw)
		at.comment = comment
		switch {
		case open:
			return at.refusal(text, `a quote " has no second one on its line`)
		case block != nil:
			block.lines = append(block.lines, text)
			if !continued {
				block = nil
			}
		case leaving:
			leaving = continued
		default:
			rest, err := r.line(at, text, continued, 0)
			if err != nil {
				return err
			}
			block, leaving = rest.block, rest.leaving
		}
	}
	return nil
}

const tooLarge = "more than 1 MB with all that it includes and defines: nobody writes so much by hand; cut it into parts"

// notText tells why a line cannot be read.
func notText(s string) string {
	switch {
	case strings.ContainsRune(s, 0):
		return "a zero byte: this is no text"
	case !utf8.ValidString(s):
		return "this is not UTF-8: if it is Latin-1, convert it: iconv -f latin1 -t utf-8"
	}
	return ""
}

// rest is what a line says of those behind it.
type rest struct {
	block   *definition
	leaving bool
}

// line takes one line: a definition, a condition, an include, or what counts.
func (r *reader) line(at line, text string, continued bool, depth int) (rest, error) {
	if isInclude(firstWord(text)) {
		return rest{}, r.include(at, text)
	}
	from := 0
	for round := 0; ; round++ {
		if round > 0 || depth > 0 {
			r.size += len(text) + 1
		}
		if r.size > maxSize || round > maxRounds || depth > maxDepth {
			return rest{}, at.refusal(text, "definitions make too much of this line")
		}
		if !strings.ContainsAny(text, "@$~") {
			return rest{}, r.counts(at, text, continued)
		}
		if strings.HasPrefix(text, "@") {
			condition, behind, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
			if !r.holds(condition) {
				r.left = append(r.left, Left{at.file, at.n, condition})
				return rest{leaving: continued}, nil
			}
			text, from = strings.TrimLeft(behind, " \t"), 0
			continue
		}
		if m := defining().FindStringSubmatch(text); m != nil {
			return r.define(at, m[1], m[2], continued)
		}
		if reason := notRead(text); reason != "" {
			return rest{}, at.refusal(text, reason)
		}
		var lines []string
		var found bool
		if text, lines, from, found = r.substitute(text, at.file, from); lines != nil {
			return rest{}, r.all(at, lines, depth)
		} else if found {
			text = strings.TrimLeft(text, " \t")
			from = min(from, len(text))
			continue
		}
		return rest{}, r.counts(at, text, continued)
	}
}

// counts keeps a line that nothing more is done to.
func (r *reader) counts(at line, text string, continued bool) error {
	if continued {
		return at.refusal(text, `a \ at the end of a line goes on with a definition $NAME= \ only: keepalived takes the next line for one of its own`)
	}
	if reason := notRead(text); reason != "" {
		return at.refusal(text, reason)
	}
	at.text = text
	r.lines = append(r.lines, at)
	return nil
}

// notRead tells what keepalived reads and this package does not.
func notRead(text string) string {
	switch {
	case strings.HasPrefix(text, "~"):
		return "~SEQ and ~LST are not read here: write the lines out"
	case isInclude(firstWord(text)):
		return "keepalived does not see an include behind a condition or in a definition: give it a line of its own"
	case strings.Contains(text, "${_RANDOM"):
		return "a random number is another one each time: write a number"
	}
	return ""
}

func firstWord(text string) string {
	if end := strings.IndexAny(text, " \t"); end >= 0 {
		return text[:end]
	}
	return text
}

// holds tells whether a condition is met: @NAME or @^NAME.
func (r *reader) holds(condition string) bool {
	if name, not := strings.CutPrefix(condition, "@^"); not {
		return name != r.id
	}
	return condition[1:] == r.id
}

// define keeps a definition. One that ends in a backslash goes on.
func (r *reader) define(at line, name, value string, continued bool) (rest, error) {
	d := &definition{text: strings.TrimSpace(value)}
	if continued {
		d.lines = []string{}
		if d.text != "" {
			return rest{}, at.refusal("$"+name+"="+value, `a definition of several lines has nothing but \ behind the = on its first one`)
		}
	}
	r.defined[name] = d
	if continued {
		return rest{block: d}, nil
	}
	return rest{}, nil
}

// all takes the lines of a definition where it is used.
func (r *reader) all(at line, lines []string, depth int) error {
	for _, text := range lines {
		if _, err := r.line(at, text, false, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// isInclude knows include and its variants, which differ in what keepalived takes for
// an error.
func isInclude(word string) bool {
	return slices.Contains([]string{"include", "includer", "includem", "includew", "includeb", "includea"}, word)
}

// include reads the files that the directive names.
func (r *reader) include(at line, text string) error {
	words := splitWords(text)
	if len(words) != 2 {
		return at.refusal(text, "include wants the name of one file, or a pattern")
	}
	if r.ReadFile == nil || r.Glob == nil {
		return at.refusal(text, "other files cannot be read here")
	}
	name := words[1]
	if strings.ContainsAny(name, "{}") {
		return at.refusal(text, "braces in a file's name are not read here: one include for each name")
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(at.file), name)
	}
	names := []string{name}
	if strings.ContainsAny(name, "*?[") {
		var err error
		if names, err = r.Glob(name); err != nil {
			return &Error{at.file, at.n, short(text), "the pattern cannot be read: " + err.Error(), err}
		}
		if len(names) == 0 {
			r.left = append(r.left, Left{File: at.file, Line: at.n})
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := r.included(at, text, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) included(at line, text, name string) error {
	switch {
	case slices.Contains(r.within, name):
		return at.refusal(text, name+" includes itself")
	case len(r.within) > maxDepth:
		return at.refusal(text, fmt.Sprintf("more than %d files include each other", maxDepth))
	}
	data, err := r.ReadFile(name)
	if err != nil {
		reason := "cannot be read: " + err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			reason = "there is no such file: take the line out, or bring the file along"
		}
		return &Error{at.file, at.n, short(text), reason, err}
	}
	return r.file(name, data)
}
