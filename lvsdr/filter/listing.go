package filter

import (
	"slices"
	"strings"
)

// A Listing is one table of iptables as iptables-save, or iptables -S, prints it.
type Listing struct {
	Policy map[string]string // of the built-in chains
	Chains map[string][]Line // in order
}

// A Line is one rule: the words after "-A CHAIN", and the same as it was written.
type Line struct {
	Words []string
	Text  string
}

// After returns the word that follows one of these options, empty when there is none.
func (l Line) After(options ...string) string {
	for i, w := range l.Words[:max(len(l.Words)-1, 0)] {
		if slices.Contains(options, w) {
			return l.Words[i+1]
		}
	}
	return ""
}

// ParseListing reads what iptables-save, or iptables -S of the table filter, has
// printed: the tables by their names. What it does not know it leaves out.
func ParseListing(text string) map[string]Listing {
	tables := map[string]Listing{}
	table := "filter"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		words := Words(line)
		if len(words) > 0 && strings.HasPrefix(words[0], "*") {
			table = words[0][1:]
		}
		if _, ok := tables[table]; !ok {
			tables[table] = Listing{map[string]string{}, map[string][]Line{}}
		}
		tables[table].line(line, words)
	}
	return tables
}

func (l Listing) line(line string, words []string) {
	if len(words) < 2 {
		return
	}
	chain := words[1]
	switch {
	case strings.HasPrefix(words[0], ":"):
		chain = words[0][1:]
		l.Chains[chain] = nil
		if words[1] != "-" {
			l.Policy[chain] = words[1]
		}
	case words[0] == "-P":
		l.Policy[chain] = words[len(words)-1]
	case words[0] == "-N":
		l.Chains[chain] = nil
	case words[0] == "-A":
		text := strings.TrimPrefix(line, "-A "+chain+" ")
		l.Chains[chain] = append(l.Chains[chain], Line{words[2:], text})
	}
}

// Words splits a line at blanks, but not in double quotes, in which a backslash
// keeps the next character (xtables_save_string in iptables).
func Words(line string) []string {
	var words []string
	var word strings.Builder
	var quoted, escaped, some bool
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
			some = true
		case c == ' ' && !quoted:
			if some {
				words = append(words, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(c)
			some = true
		}
	}
	if some {
		words = append(words, word.String())
	}
	return words
}

// passing are the targets that drop nothing (iptables-extensions(8)). Those not
// known, like NFQUEUE, are taken to.
var passing = map[string]bool{
	"": true, "ACCEPT": true, "RETURN": true, "AUDIT": true, "CHECKSUM": true, "CLASSIFY": true, "CONNMARK": true,
	"CONNSECMARK": true, "CT": true, "DSCP": true, "HL": true, "LED": true, "LOG": true, "MARK": true, "NFLOG": true,
	"NOTRACK": true, "RATEEST": true, "SECMARK": true, "SET": true, "TCPMSS": true, "TEE": true, "TOS": true, "TRACE": true,
	"TTL": true, "ULOG": true,
}

// Passing tells whether a target of iptables surely drops nothing.
func Passing(target string) bool { return passing[target] }
