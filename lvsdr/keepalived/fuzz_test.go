package keepalived

import (
	"errors"
	"testing"
)

// FuzzParse: whatever stands in a file is read or refused by line, and what is read is
// written as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		mission, "a {\n b \"c\\\"d\" # e\n}\n", "$A= \\\n b ${N} \\\n c\n$N=1\n@i $A\n", "include x\n", "a'b 'c d'\\\n", "~SEQ(a,1,2) b", "a { b { } }}", "\xe9", "\"a#\" {}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data, files{"x": "y\n"}.options("i"))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Reason == "" {
				t.Fatalf("an error without its place: %#v", err)
			}
			return
		}
		for _, comment := range comments(c.Directives) {
			if comment != oneLine(comment) {
				return // white space within it is not kept
			}
		}
		sameAgain(t, c)
		_, remarks := c.Cluster()
		for _, r := range remarks {
			if r.Line < 1 || r.File == "" {
				t.Errorf("a remark without its place: %+v", r)
			}
		}
	})
}

func comments(all []Directive) []string {
	var found []string
	for _, d := range all {
		found = append(append(append(found, d.Above...), d.Beside), comments(d.Block)...)
	}
	return found
}
