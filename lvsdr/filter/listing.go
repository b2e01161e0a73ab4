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

// A Line is one rule: what comes after "-A CHAIN".
type Line string

// After returns the word that follows one of these options, empty when there is none.
func (l Line) After(options ...string) string {
	words := Words(string(l))
	for i, w := range words[:max(len(words)-1, 0)] {
		if slices.Contains(options, w) {
			return words[i+1]
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
		if strings.HasPrefix(line, "*") {
			table = Words(line)[0][1:]
		}
		if _, ok := tables[table]; !ok {
			tables[table] = Listing{map[string]string{}, map[string][]Line{}}
		}
		tables[table].line(line)
	}
	return tables
}

func (l Listing) line(line string) {
	if rule, ok := strings.CutPrefix(line, "-A "); ok {
		chain, rule, _ := strings.Cut(rule, " ")
		l.Chains[chain] = append(l.Chains[chain], Line(rule))
		return
	}
	words := Words(line)
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
	}
}

// Words splits a line at blanks, but not in double quotes, in which a backslash
// keeps the next character (xtables_save_string in iptables).
func Words(line string) []string {
	words := make([]string, 0, strings.Count(line, " ")+1)
	for {
		line = strings.TrimLeft(line, " ")
		if line == "" {
			return words
		}
		end := strings.IndexAny(line, ` "`)
		switch {
		case end < 0:
			return append(words, line)
		case line[end] == ' ':
			words, line = append(words, line[:end]), line[end:]
		default:
			var word string
			word, line = quotedWord(line)
			words = append(words, word)
		}
	}
}

// quotedWord takes off the first word, some of which is in quotes.
func quotedWord(line string) (word, rest string) {
	var b strings.Builder
	quoted, escaped := false, false
	for i := range len(line) {
		switch c := line[i]; {
		case escaped:
			b.WriteByte(c)
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			return b.String(), line[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// passing are the targets that drop nothing (iptables-extensions(8)). Those not
// known, like NFQUEUE, are taken to.
var passing = map[string]bool{
	"": true, "ACCEPT": true, "RETURN": true, "AUDIT": true, "CHECKSUM": true, "CLASSIFY": true, "CONNMARK": true,
	"CONNSECMARK": true, "CT": true, "DSCP": true, "HL": true, "LED": true, "LOG": true, "MARK": true, "NFLOG": true,
	"NOTRACK": true, "RATEEST": true, "SECMARK": true, "SET": true, "TCPMSS": true, "TEE": true, "TOS": true, "TRACE": true,
	"TTL": true, "ULOG": true, "ECN": true, "HMARK": true, "IDLETIMER": true, "TCPOPTSTRIP": true, "IPMARK": true, "ACCOUNT": true,
}

// Passing tells whether a target of iptables surely drops nothing.
func Passing(target string) bool { return passing[target] }
