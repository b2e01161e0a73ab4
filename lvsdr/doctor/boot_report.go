package doctor

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// value is what the key has after the boot, the kernel's 0 when no line sets it.
func bootValue(b boot.Sysctls, key string) string {
	if last, ok := b.Last(key); ok {
		return last.Value
	}
	return "0"
}

// bad returns the lines that have to go, the last first, for the key to have a good
// value at boot, or none.
func badLines(b boot.Sysctls, key string, good func(string) bool) []boot.Assignment {
	var all []boot.Assignment
	rest := slices.Clone(b)
	for {
		last, ok := rest.Last(key)
		if !ok || good(last.Value) {
			return all
		}
		all = append(all, last)
		rest = slices.DeleteFunc(rest, func(a boot.Assignment) bool { return a == last })
	}
}

// A bootReport collects the lines that defeat what a role needs at boot: one problem
// a line, whatever it sets.
type bootReport struct {
	files      host.Files
	boot       boot.Sysctls
	setUp, own string // the command that writes own anew

	lines []defeat
}

type defeat struct {
	boot.Assignment
	keys  []string
	want  string
	fixes []string
}

// add looks at one key.
func (r *bootReport) add(key, want string, good func(string) bool) {
	bad := badLines(r.boot, key, good)
	if len(bad) == 0 {
		return
	}
	i := slices.IndexFunc(r.lines, func(d defeat) bool { return d.Assignment == bad[0] })
	if i < 0 {
		i = len(r.lines)
		r.lines = append(r.lines, defeat{Assignment: bad[0], want: want})
	}
	d := &r.lines[i]
	d.keys = append(d.keys, host.SysctlName(key))
	for _, line := range bad {
		fix := r.setUp
		if line.File != r.own {
			fix = silence(r.files, []boot.Assignment{line})[0]
		}
		if !slices.Contains(d.fixes, fix) {
			d.fixes = append(d.fixes, fix)
		}
	}
}

func (r *bootReport) problems() []Problem {
	var all []Problem
	for _, d := range r.lines {
		c := SysctlConflict{Key: strings.Join(d.keys, ", "), Want: d.want, Value: d.Value, File: d.File, Line: d.Line}
		p := warning(strings.Join(d.fixes, "\n"), "%s", c.String())
		if d.fixes[0] != r.setUp || len(d.fixes) > 1 {
			p = p.yours()
		}
		all = append(all, p)
	}
	return all
}

// silence returns the commands that comment the lines out: in place in /etc,
// elsewhere in a copy of the file in /etc/sysctl.d that hides it. One made before, by
// the same command for another line, is kept.
func silence(files host.Files, lines []boot.Assignment) []string {
	var all []string
	for _, a := range lines {
		file := a.File
		if target, err := files.Readlink(file); err == nil { // sed -i would replace the link
			if file = target; !path.IsAbs(file) {
				file = path.Join(path.Dir(a.File), target)
			}
		}
		before := ""
		if !strings.HasPrefix(file, "/etc/") {
			copied := "/etc/sysctl.d/" + path.Base(a.File)
			before = host.ShellLine("test", "-e", copied) + " || " + host.ShellLine("cp", file, copied) + "; "
			file = copied
		}
		all = append(all, before+commentOut(a.Line, file))
	}
	return all
}

// commentOut is the command that makes a line of a file a comment.
func commentOut(line int, file string) string {
	return host.ShellLine("sed", "-i", fmt.Sprintf("%ds/^/#/", line), file)
}
