package cluster

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A textEdit collects changes of a YAML text at the places of its nodes. It need not
// understand all of YAML: who uses it reads the result again.
type textEdit struct {
	text    []byte
	lines   []int // where each begins
	splices []splice
	lost    bool // a place was not found
}

type splice struct {
	from, to int
	text     string
}

func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, b := range text {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// line is where a line begins, counted from 1; the text's end behind the last.
func (w *textEdit) line(n int) int {
	if n < 1 || n > len(w.lines) {
		return len(w.text)
	}
	return w.lines[n-1]
}

// start is where a node begins.
func (w *textEdit) start(n *yaml.Node) int {
	at := w.line(n.Line)
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(w.text[at:])
		at += size
	}
	return at
}

// end is where a node ends; of a block mapping or sequence, where its last value does.
func (w *textEdit) end(n *yaml.Node) int {
	if n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		length := len(n.Value)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			length += 2
		}
		return min(w.start(n)+length, len(w.text))
	}
	at := w.end(n.Content[len(n.Content)-1])
	if n.Style&yaml.FlowStyle == 0 {
		return at
	}
	rest := bytes.TrimLeft(w.text[at:], " \t\r\n,")
	if len(rest) == 0 || rest[0] != '}' && rest[0] != ']' {
		w.lost = true
		return at
	}
	return len(w.text) - len(rest) + 1
}

func (w *textEdit) splice(from, to int, text string) {
	if from > to {
		w.lost = true
		return
	}
	w.splices = append(w.splices, splice{from, to, text})
}

// result is the text with all changes, the same one twice for an alias.
func (w *textEdit) result() []byte {
	slices.SortStableFunc(w.splices, func(a, b splice) int { return cmp.Or(b.from-a.from, b.to-a.to) })
	out := slices.Clone(w.text)
	for _, s := range slices.Compact(w.splices) {
		out = slices.Concat(out[:s.from], []byte(s.text), out[s.to:])
	}
	return out
}

// server makes an edit of the real server at an index of a list.
func (w *textEdit) server(e ServerEdit, list *yaml.Node, at int, is RealServer) {
	if e.Remove {
		w.removeItem(list, at)
		return
	}
	n := target(list.Content[at])
	var more []string // keys to add
	if e.Weight != nil && *e.Weight != is.weight() {
		more = w.setKey(n, "weight", strconv.Itoa(*e.Weight), more)
	} else if e.Weight != nil && is.Weight == nil {
		more = append(more, "weight: "+strconv.Itoa(*e.Weight))
	}
	switch {
	case e.Drained == nil || *e.Drained == is.Drained:
	case *e.Drained:
		more = w.setKey(n, "drained", "true", more)
	default:
		w.removeKey(n, "drained")
	}
	if len(more) > 0 {
		w.addKeys(n, more)
	}
}

// setKey changes the value of a key; where there is none, it is among those to add.
func (w *textEdit) setKey(n *yaml.Node, key, value string, more []string) []string {
	if old := child(n, key); old != nil {
		w.splice(w.start(old), w.end(old), value)
		return more
	}
	return append(more, key+": "+value)
}

// addKeys adds keys behind the address: in its line, or on lines of their own.
func (w *textEdit) addKeys(n *yaml.Node, keys []string) {
	address := child(n, "address")
	at := w.end(address)
	if n.Style&yaml.FlowStyle != 0 {
		w.splice(at, at, ", "+strings.Join(keys, ", "))
		return
	}
	eol := "\n"
	if i := bytes.IndexByte(w.text[at:], '\n'); i >= 0 {
		at += i
		if at > 0 && w.text[at-1] == '\r' {
			at, eol = at-1, "\r\n"
		}
	} else {
		at = len(w.text)
	}
	indent := strings.Repeat(" ", max(n.Content[0].Column-1, 0))
	w.splice(at, at, eol+indent+strings.Join(keys, eol+indent))
}

// removeKey takes a key and its value out: with its line in a block.
func (w *textEdit) removeKey(n *yaml.Node, key string) {
	i := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == key })
	if i < 0 || i%2 != 0 {
		w.lost = true
		return
	}
	k, v := n.Content[i], n.Content[i+1]
	switch {
	case i == 0 && len(n.Content) > 2:
		w.splice(w.start(k), w.start(n.Content[2]), "")
	case n.Style&yaml.FlowStyle != 0 && i > 0:
		w.splice(w.end(n.Content[i-1]), w.end(v), "")
	default:
		w.splice(w.line(k.Line), w.line(v.Line+1), "")
	}
}

// removeItem takes an item out of a list: with its lines in a block.
func (w *textEdit) removeItem(list *yaml.Node, at int) {
	item := list.Content[at]
	switch {
	case list.Style&yaml.FlowStyle == 0:
		w.splice(w.line(item.Line), w.line(lastLine(item)+1), "")
	case at > 0:
		w.splice(w.end(list.Content[at-1]), w.end(item), "")
	case len(list.Content) > 1:
		w.splice(w.start(item), w.start(list.Content[1]), "")
	default:
		w.lost = true
	}
}

func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}
