package host_test

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"nginx: käse 日本 😀\n\ttab": "nginx: käse 日本 😀\n\ttab",
		"\x1b[2J\x1b]0;root\x07":  `\u001b[2J\u001b]0;root\u0007`,
		"a\rb\x00\x7f":            `a\u000db\u0000\u007f`,
		"\u009b31m":               `\u009b31m`, // CSI in one character
		"\x9b31m":                 `\x9b31m`,   // and in one byte
		"txt.\u202eexe":           `txt.\u202eexe`,
		"\U000e0001":              `\udb40\udc01`,
	} {
		if got := host.Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	const name = "\x1b\u009b\u202e\U000e0001é\n"
	data, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal([]byte(host.Printable(string(data))), &back); err != nil || back != name {
		t.Errorf("a JSON document has become %q, %v", back, err)
	}
}

// TestShellWordPrints: a word with anything in it is one word for a shell, and can be
// shown on a terminal.
func TestShellWordPrints(t *testing.T) {
	for _, word := range []string{"plain", "two words", "it's", "$HOME `id`", "\x1b[2J", "\x9b%s\\x\x07'\"", "a\u202eb", "line\nbreak"} {
		quoted := host.ShellWord(word)
		if host.Printable(quoted) != quoted {
			t.Errorf("%q: %q does not print", word, quoted)
		}
		out, err := exec.Command("sh", "-c", "printf %s "+quoted).Output()
		if string(out) != word || err != nil {
			t.Errorf("%q: the shell read %q, %v", word, out, err)
		}
	}
}
