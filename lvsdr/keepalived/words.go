package keepalived

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cutComment takes the comment off a line: it begins at the first # or ! outside of
// double quotes, also within a word (decomment in lib/parser.c). Continued tells of a
// backslash at the end; open of a quote without its end.
func cutComment(line string) (text, comment string, continued, open bool) {
	line = strings.TrimRight(line, " \t\r")
	quoted, end := false, len(line)
scan:
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i == len(line)-1:
			continued, end = true, i
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case (c == '#' || c == '!') && !quoted:
			end, comment = i, strings.TrimSpace(strings.TrimPrefix(line[i+1:], " "))
			break scan
		}
	}
	return strings.Trim(line[:end], " \t"), comment, continued, quoted
}

// splitWords splits a text at its white space. Quotes, " anywhere and ' around a word,
// keep what they hold together; a backslash in them is that of a shell's $'…'.
func splitWords(text string) []string {
	var words []string
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		var w string
		w, text = cutWord(text)
		words = append(words, w)
	}
	return words
}

func cutWord(text string) (word, rest string) {
	if end := strings.IndexByte(text[1:], '\''); text[0] == '\'' && end >= 0 {
		rest := text[end+2:]
		if rest == "" || rest[0] == ' ' || rest[0] == '\t' {
			return text[1 : end+1], rest
		}
	}
	var b strings.Builder
	quoted, i := false, 0
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted && i+1 < len(text):
			n, c := escape(text[i+1:])
			b.WriteByte(c)
			i += n
		case c == '\\' && i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\t':
			b.WriteString(text[i : i+2])
			i++
		case (c == ' ' || c == '\t') && !quoted:
			return b.String(), text[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// escapes are the characters that a backslash makes of a letter.
var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'E': 0x1b, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escape reads what stands behind a backslash: how many bytes, and the one it means.
func escape(s string) (n int, c byte) {
	if c, ok := escapes[s[0]]; ok {
		return 1, c
	}
	if s[0] == 'x' {
		return digits(s[1:], 16, 2, 1, 'x')
	}
	if s[0] >= '0' && s[0] <= '7' {
		return digits(s, 8, 3, 0, s[0])
	}
	return 1, s[0]
}

// digits reads up to most digits; where there are none, what stands there is or.
func digits(s string, base, most, before int, or byte) (n int, c byte) {
	for n < most && n < len(s) {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	value, err := strconv.ParseUint(s[:n], base, 16)
	if err != nil {
		return 1, or
	}
	return before + n, byte(value)
}

// quoteWord is the word as a file has it, in double quotes where it must be.
func quoteWord(w string, first bool) string {
	bytewise := !utf8.ValidString(w) || strings.ContainsRune(w, '\ufeff')
	special := w == "" || bytewise || strings.ContainsAny(w, " \t#!{}\"'\\$") || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f })
	if first && w != "" {
		special = special || w[0] == '@' || w[0] == '~' || isInclude(w)
	}
	if !special {
		return w
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(w) {
		switch c := w[i]; {
		case c == '"' || c == '\\' || c == '$':
			b.WriteString(`\` + string(c))
		case c < ' ' || c == 0x7f || bytewise && c >= 0x80:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
