package units

import (
	"fmt"
	"strings"
)

// harmless are the characters that mean nothing in a command line of a unit.
const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@+-[]"

// commandLine renders a program and its arguments for ExecStart= (systemd.service(5),
// COMMAND LINES), so that the program gets exactly these arguments.
func commandLine(program string, args []string) string {
	// In the program's own path, systemd replaces %-specifiers but no variables.
	words := []string{quote(program, false)}
	for _, arg := range args {
		words = append(words, quote(arg, true))
	}
	return strings.Join(words, " ")
}

// quote renders one word (systemd.syntax(7), QUOTING).
func quote(word string, variables bool) string {
	var b strings.Builder
	plain := word != ""
	for i := range len(word) {
		c := word[i]
		switch {
		case strings.IndexByte(harmless, c) >= 0:
			b.WriteByte(c)
			continue
		case c == '%': // or it would be a specifier
			b.WriteString("%%")
			continue
		case c == '$' && variables: // or it would be a variable
			b.WriteString("$$")
			continue
		case c == '"', c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
		plain = false
	}
	if plain {
		return b.String()
	}
	return `"` + b.String() + `"`
}
