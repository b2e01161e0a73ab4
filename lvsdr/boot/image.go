package boot

import (
	"io/fs"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// AtBoot is /proc/sys as the files of a host that does not run will set it. A key that
// none of them sets is not there, and nothing can be set.
type AtBoot struct {
	Files  host.Files
	Except []string // files that count as not there
}

// Get implements [host.Sysctl].
func (b AtBoot) Get(key string) (string, error) {
	all, err := ReadSysctls(b.Files)
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(a Assignment) bool { return slices.Contains(b.Except, a.File) })
	a, ok := all.Last(key)
	if !ok {
		return "", &fs.PathError{Op: "read", Path: "/proc/sys/" + key, Err: fs.ErrNotExist}
	}
	return a.Value, nil
}

// Set implements [host.Sysctl].
func (AtBoot) Set(key, _ string) error {
	return &fs.PathError{Op: "write", Path: "/proc/sys/" + key, Err: host.ErrNoView}
}
