package filter

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	got := Words(`-A INPUT -m comment --comment "a \"b\" -j DROP" --x "" -j ACCEPT`)
	want := []string{"-A", "INPUT", "-m", "comment", "--comment", `a "b" -j DROP`, "--x", "", "-j", "ACCEPT"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
