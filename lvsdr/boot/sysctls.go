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

// SysctlDotted turns a key with slashes into the form of sysctl.d(5): slashes
// become dots, and the dots of an interface's name slashes.
func SysctlDotted(key string) string { return swapDots.Replace(key) }

// SysctlSlashed reads a key as sysctl.d(5) does: the first separator decides
// whether dots and slashes are to be swapped.
func SysctlSlashed(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		return swapDots.Replace(key)
	}
	return key
}

var swapDots = strings.NewReplacer(".", "/", "/", ".")

// BootSysctls are the assignments that the host makes at boot, in the order in
// which systemd-sysctl(8) and procps' "sysctl --system" read them.
type BootSysctls []Assignment

// An Assignment is a line of a sysctl.d(5) file.
type Assignment struct {
	Key     string // with slashes; may be a glob
	Value   string
	exclude bool // "-key" without a value: no glob sets the key
	File    string
	Line    int
}

// SysctlConf is read last by procps, and by systemd-sysctl only where a link in
// /etc/sysctl.d leads to it.
const SysctlConf = "/etc/sysctl.conf"

// sysctlDirs are in order of precedence: a file hides those of the same name in
// later folders.
var sysctlDirs = []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}

func ReadBootSysctls(files host.Files) (BootSysctls, error) {
	names, err := confFiles(files, sysctlDirs)
	if err != nil {
		return nil, err
	}
	var all BootSysctls
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
	key = SysctlSlashed(strings.TrimSpace(key))
	if key == "net/ipv4/conf/all/forwarding" { // net/ipv4/devinet.c: the same variable
		return IpForward
	}
	return key
}

// Last returns the assignment that the key has in the end: the last one that
// names it, else the last glob that matches it, as sysctl.d(5) says.
func (b BootSysctls) Last(key string) (a Assignment, ok bool) {
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

const IpForward = "net/ipv4/ip_forward"
