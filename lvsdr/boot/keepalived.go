package boot

import (
	"errors"
	"io/fs"
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
