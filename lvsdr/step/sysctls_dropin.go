package step

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A DropIn is what stands in a role's [DropInFile].
type DropIn struct {
	There bool              // the file is there: the role was set up to last
	Set   map[string]string // the settings in it, by key with slashes

	before map[string]string // the values before, which stand in it as comments
}

// DropInFile is the role's file of sysctl.d(5), which keeps its sysctls over a reboot.
func DropInFile(role string) string { return "/etc/sysctl.d/zz-lvsdr-" + role + ".conf" }

// SysctlDropIn reads the drop-in of a role. One that is not there sets nothing; what
// somebody has written into it that is no setting is passed over.
func SysctlDropIn(h *host.Host, role string) (DropIn, error) {
	data, err := h.Files.ReadFile(DropInFile(role))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return DropIn{}, err
	}
	d := parseDropIn(string(data))
	d.There = err == nil
	return d, nil
}

const beforeMark = "#lvsdr:before "

func parseDropIn(content string) DropIn {
	d := DropIn{before: map[string]string{}, Set: map[string]string{}}
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
		into[host.SysctlKey(key)] = strings.TrimSpace(value)
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
		b.WriteString(host.SysctlName(s.Key) + " = " + value + "\n")
	}
	return b.String()
}

// beforeLines returns the values before s, those on record first.
func (l *sysctlLook) beforeLines(s Sysctl, recorded map[string]string) []string {
	before := l.unrecorded(s, recorded)
	for key, value := range recorded {
		_, side := sideEffect(key)
		if key == s.Key || side && s.Key == host.IPForward {
			before[key] = value
		}
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		lines = append(lines, host.SysctlName(key)+"="+before[key])
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
