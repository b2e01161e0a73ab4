package boot

import (
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

const keepalivedConf = "/etc/keepalived/keepalived.conf"

// keepalivedLines reads a file and those that it includes, one level deep, without
// comments.
func keepalivedLines(files host.Files, name string) (lines []string, err error) {
	own, err := readLines(files, name)
	for _, line := range own {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, "!")
		words := strings.Fields(line)
		if len(words) != 2 || words[0] != "include" {
			lines = append(lines, line)
			continue
		}
		pattern := words[1]
		if !path.IsAbs(pattern) {
			pattern = path.Join(path.Dir(name), pattern)
		}
		names, err := files.ReadDir(path.Dir(pattern))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, n := range names {
			if ok, _ := path.Match(path.Base(pattern), n); ok {
				more, err := readLines(files, path.Join(path.Dir(pattern), n))
				if err != nil {
					return nil, err
				}
				lines = append(lines, more...)
			}
		}
	}
	return lines, err
}

// readLines returns the lines of a file, none when there is no such file.
func readLines(files host.Files, name string) ([]string, error) {
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Split(string(data), "\n"), err
}

// A KeepalivedInstance is a vrrp_instance with the addresses that it brings where it is
// the master (keepalived.conf(5)).
type KeepalivedInstance struct {
	Name      string
	Addresses []netip.Addr
}

// KeepalivedInstances reads keepalived's configuration; fs.ErrNotExist when there is none
// in its usual place.
func KeepalivedInstances(files host.Files) ([]KeepalivedInstance, error) {
	if _, err := files.ReadFile(keepalivedConf); err != nil {
		return nil, err
	}
	lines, err := keepalivedLines(files, keepalivedConf)
	var all []KeepalivedInstance
	inside := false
	for _, line := range lines {
		words := strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(line))
		for i, w := range words {
			switch {
			case w == "vrrp_instance" && i+1 < len(words):
				all = append(all, KeepalivedInstance{Name: words[i+1]})
			case strings.HasPrefix(w, "virtual_ipaddress"):
				inside = len(all) > 0
			case w == "}":
				inside = false
			case inside && (i == 0 || words[i-1] == "{"):
				text, _, _ := strings.Cut(w, "/")
				if addr, err := netip.ParseAddr(text); err == nil {
					last := &all[len(all)-1]
					last.Addresses = append(last.Addresses, addr)
				}
			}
		}
	}
	return all, err
}
