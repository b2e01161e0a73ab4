package keepalived

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// random makes trees of words that are hard to write.
type random struct{ *rand.Rand }

var hard = []string{"a", "b", " ", "\t", "\n", "#", "!", "{", "}", `"`, "'", `\`, "$", "${_PWD}", "$a", "@", "~", "é", "\xe9", "\x00", "\ufeff", "\r", "1", "include", "x41"}

func (r random) word(first bool) string {
	w := ""
	for range r.IntN(5) {
		w += hard[r.IntN(len(hard))]
	}
	if first && w == "" {
		return "k"
	}
	return w
}

func (r random) directives(depth int) []Directive {
	all := []Directive{}
	for range r.IntN(4) {
		d := Directive{Words: []string{r.word(true)}}
		for range r.IntN(4) {
			d.Words = append(d.Words, r.word(false))
		}
		for range r.IntN(3) {
			d.Above = append(d.Above, []string{"x", "# y", `"`, "a { } b", "é $a"}[r.IntN(5)])
		}
		if r.IntN(3) == 0 {
			d.Beside = []string{"x", "# ! y", "}", `\" z`}[r.IntN(4)]
		}
		if depth > 0 && r.IntN(2) == 0 {
			d.Block = r.directives(depth - 1)
		}
		all = append(all, d)
	}
	return all
}

// TestRenderParses: what is rendered is read as the same.
func TestRenderParses(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	for range 3000 {
		c := Config{Directives: r.directives(3)}
		sameAgain(t, c)
		if t.Failed() {
			return
		}
	}
}

func sameAgain(t *testing.T, c Config) {
	t.Helper()
	text := c.Render()
	again, err := Parse("f", text, Options{ID: "i"})
	if err != nil {
		t.Fatalf("rendered as\n%s\n%v", text, err)
	}
	if got, want := placeless(again.Directives), placeless(c.Directives); !reflect.DeepEqual(got, want) {
		t.Errorf("rendered as\n%s\nread as\n%#v\nwant\n%#v", text, got, want)
	}
}

// placeless are the directives without their places.
func placeless(all []Directive) []Directive {
	var without []Directive
	for _, d := range all {
		d.File, d.Line = "", 0
		if d.Block != nil {
			d.Block = append([]Directive{}, placeless(d.Block)...)
		}
		without = append(without, d)
	}
	return without
}
