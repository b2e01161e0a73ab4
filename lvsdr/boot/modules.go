package boot

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// The folders of modules-load.d(5) and modprobe.d(5), in order of precedence.
var (
	ModuleDirs   = []string{"/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d", "/lib/modules-load.d"}
	ModprobeDirs = []string{"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"}
)

// A FileLine is a line of a file, without its comment.
type FileLine struct {
	File   string
	Number int
	Words  []string
}

// ConfLines returns the lines of the .conf files in dirs: a file hides those of the
// same name in later folders.
func ConfLines(files host.Files, dirs []string) ([]FileLine, error) {
	names, err := confFiles(files, dirs)
	if err != nil {
		return nil, err
	}
	var all []FileLine
	for _, name := range names {
		lines, err := LinesOf(files, name)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

func LinesOf(files host.Files, name string) ([]FileLine, error) {
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []FileLine
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' && words[0][0] != ';' {
			all = append(all, FileLine{name, number, words})
		}
	}
	return all, err
}
