package lvsdr

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// bootSysctls are the assignments that the host makes at boot, in the order in
// which systemd-sysctl(8) and procps' "sysctl --system" read them.
type bootSysctls []assignment

// An assignment is a line of a sysctl.d(5) file.
type assignment struct {
	key     string // with slashes; may be a glob
	value   string
	exclude bool // "-key" without a value: no glob sets the key
	file    string
	line    int
}

// sysctlConf is read last by procps, and by systemd-sysctl only where a link in
// /etc/sysctl.d leads to it.
const sysctlConf = "/etc/sysctl.conf"

// sysctlDirs are in order of precedence: a file hides those of the same name in
// later folders.
var sysctlDirs = []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}

func readBootSysctls(files Files) (bootSysctls, error) {
	names, err := confFiles(files, sysctlDirs)
	if err != nil {
		return nil, err
	}
	var all bootSysctls
	for _, name := range append(names, sysctlConf) {
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
func confFiles(files Files, dirs []string) ([]string, error) {
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

func readAssignments(files Files, name string) ([]assignment, error) {
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) { // a dangling link
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseAssignments(name, string(data)), nil
}

func parseAssignments(file, content string) []assignment {
	var all []assignment
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
		all = append(all, assignment{
			key: bootKey(key), value: strings.TrimSpace(value), exclude: !isSetting, file: file, line: number,
		})
	}
	return all
}

// bootKey returns the key under the name that lvsdr knows it by.
func bootKey(key string) string {
	key = sysctlSlashed(strings.TrimSpace(key))
	if key == "net/ipv4/conf/all/forwarding" { // net/ipv4/devinet.c: the same variable
		return ipForward
	}
	return key
}

// last returns the assignment that the key has in the end: the last one that
// names it, else the last glob that matches it, as sysctl.d(5) says.
func (b bootSysctls) last(key string) (a assignment, ok bool) {
	var glob assignment
	var globbed, excluded bool
	for _, line := range b {
		matches, err := path.Match(line.key, key)
		switch {
		case line.key == key && line.exclude:
			excluded = true
		case line.key == key:
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
