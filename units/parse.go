package units

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNotSetUp is what [Parse] fails with where somebody has put another command in
// place of set-up's.
var ErrNotSetUp = errors.New("not a set-up of lvsdr")

// Parse reads back what [Render] was given from the text of a unit file. It fails with
// [ErrNotSetUp] where the command is another.
func Parse(text []byte) (Unit, error) {
	command, ok := execStart(string(text))
	if !ok {
		return Unit{}, errors.New("units: no ExecStart=")
	}
	words, err := splitCommandLine(command)
	if err == nil && (len(words) < 4 || words[1] != "setup" || words[3] != "--runtime") {
		err = ErrNotSetUp
	}
	if err != nil {
		return Unit{}, fmt.Errorf("units: ExecStart=%s: %w", command, err)
	}
	return Unit{Role: words[2], Binary: words[0], Args: words[4:]}, nil
}

// execStart finds the command. (go-systemd's parser refuses lines of more than 2048
// bytes, which a cluster of a hundred real servers has.)
func execStart(text string) (command string, ok bool) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if name, value, ok := strings.Cut(line, "="); ok && section == "[Service]" && strings.TrimSpace(name) == "ExecStart" {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// splitCommandLine is the inverse of commandLine: it reads the words of one command
// as systemd does (systemd.syntax(7), QUOTING; systemd.service(5), COMMAND LINES).
// What systemd would fill in at run time (%-specifiers, variables) it refuses.
func splitCommandLine(line string) ([]string, error) {
	var words []string
	for rest := strings.TrimLeft(line, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		word, after, err := firstWord(rest, len(words) > 0)
		if err != nil {
			return nil, err
		}
		words, rest = append(words, word), after
	}
	return words, nil
}

// firstWord takes the first word off a command line that does not begin with a blank.
func firstWord(line string, variables bool) (word, rest string, err error) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), line[i:], nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\':
			text, n, err := unescape(line[i:])
			if err != nil {
				return "", "", err
			}
			b.WriteString(text)
			i += n
			continue
		case c == '%' || c == '$' && variables:
			if i+1 == len(line) || line[i+1] != c {
				return "", "", fmt.Errorf("%q is filled in by systemd", line[i:])
			}
			b.WriteByte(c)
			i++
		default:
			b.WriteByte(c)
		}
		i++
	}
	if quote != 0 {
		return "", "", errors.New("a quotation without its end")
	}
	return b.String(), "", nil
}

// unescape reads an escape at the beginning of s and tells how long it is
// (systemd.syntax(7), table "Supported escapes").
func unescape(s string) (text string, length int, err error) {
	if len(s) < 2 {
		return "", 0, errors.New("a backslash at the end")
	}
	if i := strings.IndexByte(`abfnrtvs\"'`, s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v \\\"'"[i : i+1], 2, nil
	}
	if s[1] == 'x' && len(s) >= 4 {
		if c, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
			return string([]byte{byte(c)}), 4, nil
		}
	}
	return "", 0, fmt.Errorf("%q: an escape that lvsdr does not write", s[:2])
}
