package units

import (
	"slices"
	"strconv"
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
		if got := split(t, line); !slices.Equal(got[1:], args) {
			t.Errorf("%q became %q, which is %q", args, line, got)
		}
	})
}

// split is what systemd.syntax(7) and systemd.service(5) say of a command line,
// for lines without single quotes.
func split(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for rest := line; rest != ""; {
		var b strings.Builder
		quoted := rest[0] == '"'
		if quoted {
			rest = rest[1:]
		}
		for rest != "" && !(quoted && rest[0] == '"') && (quoted || rest[0] != ' ') {
			switch {
			case rest[0] == '\\' && rest[1] == 'x':
				c, err := strconv.ParseUint(rest[2:4], 16, 8)
				if err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				b.WriteByte(byte(c))
				rest = rest[4:]
				continue
			case rest[0] == '\\', strings.HasPrefix(rest, "%%"), strings.HasPrefix(rest, "$$"):
				rest = rest[1:]
			case rest[0] == '%', rest[0] == '$':
				t.Fatalf("%q would be expanded", line)
			}
			b.WriteByte(rest[0])
			rest = rest[1:]
		}
		if quoted {
			rest = strings.TrimPrefix(rest, `"`)
		}
		rest = strings.TrimPrefix(rest, " ")
		words = append(words, b.String())
	}
	return words
}
