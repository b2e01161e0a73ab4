package lvsdr

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// The folders of modules-load.d(5) and modprobe.d(5), in order of precedence.
var (
	moduleDirs   = []string{"/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d", "/lib/modules-load.d"}
	modprobeDirs = []string{"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"}
)

// A fileLine is a line of a file, without its comment.
type fileLine struct {
	file   string
	number int
	words  []string
}

// confLines returns the lines of the .conf files in dirs: a file hides those of the
// same name in later folders.
func confLines(files Files, dirs []string) ([]fileLine, error) {
	names, err := confFiles(files, dirs)
	if err != nil {
		return nil, err
	}
	var all []fileLine
	for _, name := range names {
		lines, err := linesOf(files, name)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

func linesOf(files Files, name string) ([]fileLine, error) {
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []fileLine
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' && words[0][0] != ';' {
			all = append(all, fileLine{name, number, words})
		}
	}
	return all, err
}

// loadedAtBoot tells whether the module is there before the sysctls are set.
func (e *Exam) loadedAtBoot(module string) (bool, error) {
	lines, err := confLines(e.Host.Files, moduleDirs)
	if err != nil {
		return false, err
	}
	for _, name := range []string{"/etc/modules", "/etc/initramfs-tools/modules"} {
		more, err := linesOf(e.Host.Files, name)
		if err != nil {
			return false, err
		}
		lines = append(lines, more...)
	}
	loads := func(l fileLine) bool {
		return strings.ReplaceAll(l.words[0], "-", "_") == module
	}
	if slices.ContainsFunc(lines, loads) {
		return true, nil
	}
	return e.loadedOtherwise(module)
}

// loadedOtherwise: built into the kernel, asked for on its command line, or part of
// an initial RAM disk of dracut.
func (e *Exam) loadedOtherwise(module string) (bool, error) {
	release, err := e.Host.Sysctl.Get("kernel/osrelease")
	if err == nil {
		text, err := e.Host.Files.ReadFile(path.Join("/lib/modules", release, "modules.builtin"))
		if err == nil && strings.Contains(string(text), "/"+module+".ko") {
			return true, nil
		}
	}
	for _, name := range append(listed(e.Host.Files, "/etc/dracut.conf.d"), "/etc/dracut.conf", "/proc/cmdline") {
		text, err := e.Host.Files.ReadFile(name)
		if err == nil && strings.Contains(string(text), module) {
			return true, nil
		}
	}
	return false, nil
}
