package lvsdr

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// value is what the key has after the boot, the kernel's 0 when no line sets it.
func (b bootSysctls) value(key string) string {
	if last, ok := b.last(key); ok {
		return last.value
	}
	return "0"
}

// bad returns the lines that have to go, the last first, for the key to have a good
// value at boot, or none.
func (b bootSysctls) bad(key string, good func(string) bool) []assignment {
	var all []assignment
	rest := slices.Clone(b)
	for {
		last, ok := rest.last(key)
		if !ok || good(last.value) {
			return all
		}
		all = append(all, last)
		rest = slices.DeleteFunc(rest, func(a assignment) bool { return a == last })
	}
}

// A bootReport collects the lines that defeat what a role needs at boot: one problem
// a line, whatever it sets.
type bootReport struct {
	files      Files
	boot       bootSysctls
	setUp, own string // the command that writes own anew

	lines []defeat
}

type defeat struct {
	assignment
	keys  []string
	want  string
	fixes []string
}

// add looks at one key.
func (r *bootReport) add(key, want string, good func(string) bool) {
	bad := r.boot.bad(key, good)
	if len(bad) == 0 {
		return
	}
	i := slices.IndexFunc(r.lines, func(d defeat) bool { return d.assignment == bad[0] })
	if i < 0 {
		i = len(r.lines)
		r.lines = append(r.lines, defeat{assignment: bad[0], want: want})
	}
	d := &r.lines[i]
	d.keys = append(d.keys, sysctlDotted(key))
	for _, line := range bad {
		fix := r.setUp
		if line.file != r.own {
			fix = silence(r.files, []assignment{line})[0]
		}
		if !slices.Contains(d.fixes, fix) {
			d.fixes = append(d.fixes, fix)
		}
	}
}

func (r *bootReport) problems() []Problem {
	var all []Problem
	for _, d := range r.lines {
		c := SysctlConflict{Key: strings.Join(d.keys, ", "), Want: d.want, Value: d.value, File: d.file, Line: d.line}
		all = append(all, warning(strings.Join(d.fixes, "\n"), "%s", c.String()))
	}
	return all
}

// silence returns the commands that comment the lines out: in place in /etc,
// elsewhere in a copy of the file that hides it.
func silence(files Files, lines []assignment) []string {
	var all []string
	for _, a := range lines {
		file := a.file
		if target, err := files.Readlink(file); err == nil { // sed -i would replace the link
			if file = target; !path.IsAbs(file) {
				file = path.Join(path.Dir(a.file), target)
			}
		}
		command := fmt.Sprintf("sed -i '%ds/^/#/' %s", a.line, file)
		if !strings.HasPrefix(file, "/etc/") {
			command = fmt.Sprintf("sed '%ds/^/#/' %s >/etc/sysctl.d/%s", a.line, file, path.Base(a.file))
		}
		all = append(all, command)
	}
	return all
}
