package step

import (
	"maps"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
)

// dropIn is what stands in a role's file in /etc/sysctl.d: the settings, and as
// comments the values before, by key with slashes.
type dropIn struct {
	before map[string]string
	Set    map[string]string
}

const beforeMark = "#lvsdr:before "

// ParseDropIn reads what it understands and passes over the rest.
func ParseDropIn(content string) dropIn {
	d := dropIn{before: map[string]string{}, Set: map[string]string{}}
	for line := range strings.Lines(content) {
		into := d.Set
		line, isBefore := strings.CutPrefix(strings.TrimSpace(line), beforeMark)
		if isBefore {
			into = d.before
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" || key[0] == '#' || key[0] == ';' {
			continue
		}
		into[boot.SysctlSlashed(key)] = strings.TrimSpace(value)
	}
	return d
}

// dropIn renders the file for what is wanted. A value that serves as well is kept
// over a reboot too. Values before that are on record stay what they are.
func (l *sysctlLook) dropIn() string {
	recorded := l.before()
	var b strings.Builder
	b.WriteString("# Written by lvsdr for a " + l.role + ". Changes here are lost at the next set-up;\n" +
		"# a file in this folder whose name sorts after this one wins.\n" +
		"# \"lvsdr teardown " + l.role + "\" brings the values before back and removes this file.\n")
	for _, s := range l.wanted {
		b.WriteByte('\n')
		writeComment(&b, s.Why)
		for _, line := range l.beforeLines(s, recorded) {
			b.WriteString(beforeMark + line + "\n")
		}
		value := s.Value
		if live, ok := l.live[s.Key]; ok && s.Serves(live) {
			value = live
		}
		b.WriteString(boot.SysctlDotted(s.Key) + " = " + value + "\n")
	}
	return b.String()
}

// beforeLines returns the values before s, those on record first.
func (l *sysctlLook) beforeLines(s Sysctl, recorded map[string]string) []string {
	before := l.unrecorded(s, recorded)
	for key, value := range recorded {
		_, side := sideEffect(key)
		if key == s.Key || side && s.Key == boot.IpForward {
			before[key] = value
		}
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		lines = append(lines, boot.SysctlDotted(key)+"="+before[key])
	}
	return lines
}

// writeComment writes text as comment lines of at most 80 characters where its
// words allow.
func writeComment(b *strings.Builder, text string) {
	width := 0
	for _, word := range strings.Fields(text) {
		if width == 0 || width+1+len(word) > 80 {
			if width > 0 {
				b.WriteByte('\n')
			}
			b.WriteByte('#')
			width = 1
		}
		b.WriteString(" " + word)
		width += 1 + len(word)
	}
	b.WriteByte('\n')
}
