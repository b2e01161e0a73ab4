package boot

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// The folders of modules-load.d(5) and modprobe.d(5), in order of precedence.
var (
	moduleDirs   = []string{"/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d", "/lib/modules-load.d"}
	modprobeDirs = []string{"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"}
)

// Modules is what the host's files say of kernel modules at boot.
type Modules struct {
	load     []Line   // of modules-load.d(5), /etc/modules and initramfs-tools
	modprobe []Line   // of modprobe.d(5)
	texts    []string // the kernel's command line and dracut's files, which may name modules
	builtin  string   // the kernel's list of modules that are part of it
}

// A Line is a line of a configuration file that is no comment.
type Line struct {
	File   string // absolute
	Number int    // counted from 1
	Words  []string
}

// ReadModules reads what is known of modules at boot for the kernel of that release (the
// sysctl kernel/osrelease; empty: none is known to be built in). It fails when a file of
// modules-load.d(5), modprobe.d(5) or their elders is there and cannot be read.
func ReadModules(files host.Files, release string) (Modules, error) {
	var m Modules
	var err error
	if m.load, err = confLines(files, moduleDirs); err != nil {
		return m, err
	}
	for _, name := range []string{"/etc/modules", "/etc/initramfs-tools/modules"} {
		more, err := linesOf(files, name)
		if err != nil {
			return m, err
		}
		m.load = append(m.load, more...)
	}
	if m.modprobe, err = confLines(files, modprobeDirs); err != nil {
		return m, err
	}
	for _, name := range append(listed(files, "/etc/dracut.conf.d"), "/etc/dracut.conf", "/proc/cmdline") {
		if text, err := files.ReadFile(name); err == nil {
			m.texts = append(m.texts, string(text))
		}
	}
	if release != "" {
		if text, err := files.ReadFile(path.Join("/lib/modules", release, "modules.builtin")); err == nil {
			m.builtin = string(text)
		}
	}
	return m, nil
}

// Loads tells whether the module is there before the boot sets the sysctls: named in a
// file, on the kernel's command line or for dracut's initial RAM disk, or built in.
func (m Modules) Loads(module string) bool {
	return slices.ContainsFunc(m.load, func(l Line) bool { return sameModule(l.Words[0], module) }) ||
		strings.Contains(m.builtin, "/"+module+".ko") ||
		slices.ContainsFunc(m.texts, func(text string) bool { return strings.Contains(text, module) })
}

// Forbids returns the lines that keep the module from being loaded at boot:
// systemd-modules-load(8) heeds blacklists, which modprobe by hand does not, and an
// install line that runs true or false loads nothing for either.
func (m Modules) Forbids(module string) []Line {
	return slices.DeleteFunc(slices.Clone(m.modprobe), func(l Line) bool {
		return len(l.Words) < 2 || !sameModule(l.Words[1], module) ||
			l.Words[0] != "blacklist" && !(l.Words[0] == "install" && doesNothing(l.Words[2:]))
	})
}

// sameModule compares names of modules, in which - and _ are the same (modprobe(8)).
func sameModule(a, b string) bool { return strings.ReplaceAll(a, "-", "_") == b }

func doesNothing(command []string) bool {
	return len(command) > 0 && (path.Base(command[0]) == "false" || path.Base(command[0]) == "true")
}

// confLines returns the lines of the .conf files in dirs: a file hides those of the
// same name in later folders.
func confLines(files host.Files, dirs []string) ([]Line, error) {
	names, err := confFiles(files, dirs)
	if err != nil {
		return nil, err
	}
	var all []Line
	for _, name := range names {
		lines, err := linesOf(files, name)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

// linesOf are the lines of a file, none when there is no such file.
func linesOf(files host.Files, name string) ([]Line, error) {
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Line
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' && words[0][0] != ';' {
			all = append(all, Line{name, number, words})
		}
	}
	return all, err
}
