package units

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCommandLine(t *testing.T) {
	for want, words := range map[string][]string{
		`/usr/bin/lvsdr setup`:             {"/usr/bin/lvsdr", "setup"},
		`/usr/bin/lvsdr ""`:                {"/usr/bin/lvsdr", ""},
		`"/opt/my $dir/lvsdr" a`:           {"/opt/my $dir/lvsdr", "a"},
		`/opt/100%%/lvsdr %%h`:             {"/opt/100%/lvsdr", "%h"},
		`/l "a b" "a\"b" "a\\b" "a'b"`:     {"/l", "a b", `a"b`, `a\b`, `a'b`},
		`/l "a\x0ab" "\x09" ";" "ünicode"`: {"/l", "a\nb", "\t", ";", "ünicode"},
	} {
		if got := commandLine(words[0], words[1:]); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", words, got, want)
		}
	}
	if got, want := commandLine("/l", []string{"$HOME", "${X}"}), `/l $$HOME "$${X}"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzCommandLine reads what commandLine writes as systemd does.
func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{"a", "a b\x01%h$HOME", "\x01\x01;", "\"\\'", "ü\n\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return
		}
		args := strings.Split(s, "\x01")
		line := commandLine("/l", args)
		if strings.ContainsAny(line, "\n\r") {
			t.Fatalf("%q became two lines: %q", args, line)
		}
		if got, err := splitCommandLine(line); err != nil || !slices.Equal(got[1:], args) {
			t.Errorf("%q became %q, which is read back as %q, %v", args, line, got, err)
		}
	})
}
