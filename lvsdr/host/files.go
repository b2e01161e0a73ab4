package host

import (
	"errors"
	"io/fs"
	"path"
)

// TemporaryName is the name under which a file is built before it takes its
// place. It is the same every time, so that what a killed run has left is found
// and cleared away by the next write or removal of the same file.
func TemporaryName(name string) string {
	return path.Join(path.Dir(name), ".lvsdr-"+path.Base(name))
}

// Exists tells whether there is a file of that name that can be read. A link whose
// target is gone is none; a directory, or a file that cannot be read, is an error.
func Exists(files Files, name string) (bool, error) {
	_, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
