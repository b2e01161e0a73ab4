package cluster

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// ParseConfig reads a configuration from YAML (of which JSON is a part). It is
// strict: a key that it does not know, a key given twice, a second document, a
// tag or a merge key is refused, and so is whatever [Config.Validate] refuses for
// every role. It returns every key and value that cannot be read or, where there is none,
// every one that is not allowed, each a [*ConfigError] with its place in the file,
// joined. The name of the file is for these errors only.
func ParseConfig(file string, data []byte) (Config, error) {
	src := source{file, data}
	root, err := src.parse()
	if err != nil {
		return Config{}, err
	}
	c, err := src.decode(root)
	if err != nil {
		return Config{}, err
	}
	if err := c.Validate(""); err != nil {
		return Config{}, src.locate(root, err)
	}
	return c, nil
}

// LocateError adds the places in the file to the errors of [Config.Validate],
// for a configuration that [ParseConfig] read from the same data: it validates
// for every role only, since the role may be found with the configuration.
func LocateError(err error, file string, data []byte) error {
	src := source{file, data}
	root, syntax := src.parse()
	if err == nil || syntax != nil {
		return err
	}
	return src.locate(root, err)
}

// source is the text of a configuration.
type source struct {
	file string
	data []byte
}

const needsServices = "the configuration is empty: it needs at least\nservices:\n  - vip: 10.10.10.22\n" +
	"    realServers:\n      - address: 10.10.10.31"

// parse returns the only document's root.
func (s source) parse() (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(s.data))
	if err != nil {
		return nil, err
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil, s.errorAt(1, 1, "", "", needsServices)
	case err != nil:
		return nil, s.syntaxError(err)
	}
	root := doc.Content[0]
	if root.Tag == nullTag {
		return nil, s.errorAt(1, 1, "", "", needsServices)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, s.errorAt(second.Line, second.Column, "", s.at(second.Line, second.Column),
			"a second document begins here: one is allowed")
	case !errors.Is(err, io.EOF):
		return nil, s.syntaxError(err)
	}
	return root, nil
}

func (s source) errorAt(line, column int, path, text, reason string) *ConfigError {
	return &ConfigError{File: s.file, Line: line, Column: column, Path: path, Text: short(text), Reason: reason}
}

// syntaxError tells where the text is not YAML.
func (s source) syntaxError(err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return s.errorAt(1, 1, "", "", shown(err.Error()))
	}
	line, column := load.Mark.Line, load.Mark.Column
	if line == 0 { // the reader refused a character, and does not tell where
		line, column, reason := s.badCharacter()
		return s.errorAt(line, column, "", s.at(line, column), reason)
	}
	text := s.at(line, column)
	if indent := s.line(line); strings.Contains(indent[:len(indent)-len(strings.TrimLeft(indent, " \t"))], "\t") {
		return s.errorAt(line, column, "", text, "YAML is indented with spaces, and here stands a tab")
	}
	reason := "not YAML: " + shown(load.Message)
	if load.ContextMsg != "" && load.ContextMark != load.Mark {
		reason += " " + load.ContextMsg + " that begins at " +
			strconv.Itoa(load.ContextMark.Line) + ":" + strconv.Itoa(load.ContextMark.Column)
	}
	return s.errorAt(line, column, "", text, reason)
}

// badCharacter finds the first character that YAML does not allow (YAML 1.2.2,
// section 5.1), and tells what is wanted instead.
func (s source) badCharacter() (line, column int, reason string) {
	line, column, reason = 1, 1, "plain text in UTF-8 without control characters is wanted"
	for rest := s.data; len(rest) > 0; column++ {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return line, column, "this is not UTF-8: if it is Latin-1, convert it: iconv -f latin1 -t utf-8"
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff {
			return line, column, reason
		}
		if r == '\n' {
			line, column = line+1, 0
		}
		rest = rest[size:]
	}
	return line, column, reason
}

// line returns a line's text, counted from 1; the one behind the last is empty.
func (s source) line(n int) string {
	rest := s.data
	for ; n > 1 && len(rest) > 0; n-- {
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	text, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(bytes.TrimSuffix(text, []byte("\r")))
}

// at returns the rest of a line, in short.
func (s source) at(line, column int) string {
	const most = 40
	rest := []rune(s.line(line))
	rest = rest[min(max(column-1, 0), len(rest)):]
	if len(rest) > most {
		return strings.TrimSpace(string(rest[:most])) + "…"
	}
	return strings.TrimSpace(string(rest))
}

// locate adds the places to the errors that have none.
func (s source) locate(root *yaml.Node, err error) error {
	switch e := err.(type) { //nolint:errorlint // the tree of a joined error is rebuilt
	case *ConfigError:
		if e.Line > 0 || e.Path == "" {
			return e
		}
		n, exact := find(root, e.Path)
		text := e.Text
		if exact && n.Kind == yaml.ScalarNode && !isHidden(text) {
			text = n.Value
		}
		return s.errorAt(n.Line, n.Column, e.Path, text, e.Reason)
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range e.Unwrap() {
			all = append(all, s.locate(root, one))
		}
		return errors.Join(all...)
	}
	return err
}

// isHidden tells of a text that stands for a secret, see [hidden].
func isHidden(text string) bool { return text != "" && strings.Trim(text, "*") == "" }

// find follows a path such as "services[0].ports[1]" from the root, as far as it
// goes.
func find(n *yaml.Node, path string) (found *yaml.Node, exact bool) {
	for path != "" {
		n = target(n)
		var next *yaml.Node
		if rest, ok := strings.CutPrefix(path, "["); ok {
			index, after, _ := strings.Cut(rest, "]")
			path = strings.TrimPrefix(after, ".")
			if i, err := strconv.Atoi(index); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
				next = n.Content[i]
			}
		} else {
			end := strings.IndexAny(path+".", ".[")
			key := path[:end]
			path = strings.TrimPrefix(path[end:], ".")
			next = child(n, key)
		}
		if next == nil {
			return n, false
		}
		n = next
	}
	return target(n), true
}

// child returns the value of a key.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// target returns what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
