package keepalived

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var lineNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\(\S*: Line (\d+)\) `) })

// Origins says, before each line of keepalived -t, of which part of the description the
// block is that it is about: the comments above the blocks of text tell.
func Origins(text []byte, said []string) []string {
	lines := strings.Split(string(text), "\n")
	var all []string
	for _, s := range said {
		m := lineNumber().FindStringSubmatch(s)
		if m == nil {
			all = append(all, s)
			continue
		}
		n, _ := strconv.Atoi(m[1])
		all = append(all, originAt(lines, n)+strings.TrimPrefix(s, m[0]))
	}
	return all
}

// originAt is the nearest comment above a line that names a part of the description.
func originAt(lines []string, n int) string {
	for i := min(n, len(lines)) - 1; i >= 0; i-- {
		if origin, ok := strings.CutPrefix(strings.TrimSpace(lines[i]), "# services["); ok {
			return "services[" + origin + ": "
		}
	}
	return ""
}
