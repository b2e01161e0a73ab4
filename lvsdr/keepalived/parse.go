package keepalived

import "strings"

// Parse reads a file, with all that it includes. It fails with an [*Error] at the first
// line that keepalived would not take, or that is not read here.
func Parse(name string, data []byte, o Options) (Config, error) {
	r := reader{Options: o, id: o.ID, defined: map[string]*definition{}}
	if err := r.file(name, data); err != nil {
		return Config{}, err
	}
	var p parser
	for _, l := range r.lines {
		if err := p.line(l); err != nil {
			return Config{}, err
		}
	}
	if len(p.open) > 0 {
		last := p.open[len(p.open)-1].at
		return Config{}, last.refusal(last.text, "this { has no }")
	}
	return Config{Directives: p.now, Left: r.left}, nil
}

// parser makes the tree of the lines.
type parser struct {
	now   []Directive // of the block at hand
	open  []opened    // the blocks around it
	above []string    // comments that no directive has yet
}

// opened is a block that has no end yet.
type opened struct {
	before []Directive // of the block around; its last one has the block
	at     line
}

// line takes a line apart at the braces outside of its quotes (read_line in
// lib/parser.c): a keyword, its { and what follows may stand on one line.
func (p *parser) line(l line) error {
	rest, begun := l.text, false
	for rest != "" {
		end := nextBrace(rest)
		if words := splitWords(rest[:end]); len(words) > 0 {
			if words[0] == "" {
				return l.refusal(l.text, "a keyword is wanted here")
			}
			p.now = append(p.now, Directive{Words: words, Above: p.above, File: l.file, Line: l.n})
			p.above, begun = nil, true
		}
		if end == len(rest) {
			break
		}
		if err := p.brace(l, rest[end]); err != nil {
			return err
		}
		rest = strings.TrimLeft(rest[end+1:], " \t")
	}
	if l.comment == "" {
		return nil
	}
	if d := p.last(); begun && d != nil {
		d.Beside = l.comment
	} else if l.text == "" {
		p.above = append(p.above, l.comment)
	}
	return nil
}

// last is the directive that began last, if its line can have a comment: one whose
// block was just opened, or the last of the block at hand.
func (p *parser) last() *Directive {
	if n := len(p.now); n > 0 {
		return &p.now[n-1]
	}
	if n := len(p.open); n > 0 {
		before := p.open[n-1].before
		return &before[len(before)-1]
	}
	return nil
}

func (p *parser) brace(l line, c byte) error {
	p.above = nil
	if c == '{' {
		switch n := len(p.now); {
		case n == 0 || p.now[n-1].Block != nil:
			return l.refusal(l.text, "this { has no keyword before it")
		case len(p.open) == maxDepth:
			return l.refusal(l.text, "blocks in blocks without an end")
		}
		p.open = append(p.open, opened{p.now, l})
		p.now = []Directive{}
		return nil
	}
	n := len(p.open) - 1
	if n < 0 {
		return l.refusal(l.text, "this } has no { before it")
	}
	around := p.open[n].before
	around[len(around)-1].Block = p.now
	p.now, p.open = around, p.open[:n]
	return nil
}

// nextBrace finds the first brace outside of double quotes.
func nextBrace(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (quoted || s[i+1] != '{' && s[i+1] != '}'):
			i++
		case c == '"':
			quoted = !quoted
		case (c == '{' || c == '}') && !quoted:
			return i
		}
	}
	return len(s)
}
