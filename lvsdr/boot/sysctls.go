package boot

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Sysctls are the assignments that the host makes at boot, in the order in which
// systemd-sysctl(8) and procps' "sysctl --system" read them. [Sysctls.Last] tells
// which one counts.
type Sysctls []Assignment

// An Assignment is a line of a file that sysctl.d(5) describes.
type Assignment struct {
	Key     string // with slashes, as [host.Sysctl] takes it; may be a glob
	Value   string // without the white space around it, not otherwise judged
	exclude bool   // "-key" without a value: no glob sets the key
	File    string // absolute
	Line    int    // counted from 1
}

// SysctlConf is the file that procps reads last, and systemd-sysctl only where a link
// in /etc/sysctl.d leads to it.
const SysctlConf = "/etc/sysctl.conf"

// sysctlDirs are in order of precedence: a file hides those of the same name in
// later folders.
var sysctlDirs = []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}

// ReadSysctls reads the folders of sysctl.d(5) and [SysctlConf]. It fails when one of
// them is there and cannot be read; a line that no program would take is passed over.
func ReadSysctls(files host.Files) (Sysctls, error) {
	names, err := confFiles(files, sysctlDirs)
	if err != nil {
		return nil, err
	}
	var all Sysctls
	for _, name := range append(names, SysctlConf) {
		lines, err := readAssignments(files, name)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

// confFiles returns the .conf files in dirs as they are read, by name: a file hides
// those of the same name in later folders.
func confFiles(files host.Files, dirs []string) ([]string, error) {
	paths := map[string]string{}
	for _, dir := range dirs {
		names, err := files.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, name := range names {
			if _, hidden := paths[name]; !hidden && strings.HasSuffix(name, ".conf") {
				paths[name] = path.Join(dir, name)
			}
		}
	}
	all := make([]string, 0, len(paths)+1)
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		all = append(all, paths[name])
	}
	return all, nil
}

func readAssignments(files host.Files, name string) ([]Assignment, error) {
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) { // a dangling link
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseAssignments(name, string(data)), nil
}

func parseAssignments(file, content string) []Assignment {
	var all []Assignment
	number := 0
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, isSetting := strings.Cut(line, "=")
		key, dash := strings.CutPrefix(strings.TrimSpace(key), "-")
		if !isSetting && !dash {
			continue // both programs complain and go on
		}
		all = append(all, Assignment{
			Key: bootKey(key), Value: strings.TrimSpace(value), exclude: !isSetting, File: file, Line: number,
		})
	}
	return all
}

// bootKey returns the key under the name that lvsdr knows it by.
func bootKey(key string) string {
	key = host.SysctlKey(strings.TrimSpace(key))
	if key == "net/ipv4/conf/all/forwarding" { // net/ipv4/devinet.c: the same variable
		return host.IPForward
	}
	return key
}

// Last returns the assignment that counts for the key, written with slashes: the last
// one that names it, else the last glob that matches it, as sysctl.d(5) says. ok is
// false when none does, so that the kernel's own value stays.
func (b Sysctls) Last(key string) (a Assignment, ok bool) {
	var glob Assignment
	var globbed, excluded bool
	for _, line := range b {
		matches, err := path.Match(line.Key, key)
		switch {
		case line.Key == key && line.exclude:
			excluded = true
		case line.Key == key:
			a, ok = line, true
		case err == nil && matches && !line.exclude:
			glob, globbed = line, true
		}
	}
	if !ok && globbed && !excluded {
		return glob, true
	}
	return a, ok
}
