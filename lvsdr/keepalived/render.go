package keepalived

import "strings"

// Render writes the directives as a file that [Parse] reads as the same: a line each,
// indented, a blank line between those of the outermost level.
func (c Config) Render() []byte {
	var b strings.Builder
	for i, d := range c.Directives {
		if i > 0 {
			b.WriteByte('\n')
		}
		d.render(&b, "")
	}
	return []byte(b.String())
}

func (d Directive) render(b *strings.Builder, margin string) {
	for _, comment := range d.Above {
		b.WriteString(margin + "# " + oneLine(comment) + "\n")
	}
	b.WriteString(margin)
	for i, w := range d.Words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quoteWord(w, i == 0))
	}
	if d.Block != nil {
		b.WriteString(" {")
	}
	if d.Beside != "" {
		b.WriteString(" # " + oneLine(d.Beside))
	}
	b.WriteByte('\n')
	if d.Block == nil {
		return
	}
	for _, inner := range d.Block {
		inner.render(b, margin+"    ")
	}
	b.WriteString(margin + "}\n")
}

// oneLine keeps a comment on its line: a backslash at its end would take the next one
// along.
func oneLine(comment string) string {
	printing := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(comment, "?"))
	return strings.TrimRight(strings.Join(strings.Fields(printing), " "), `\`)
}
