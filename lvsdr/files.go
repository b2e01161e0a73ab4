package lvsdr

import "path"

// temporaryName is the name under which a file is built before it takes its
// place. It is the same every time, so that what a killed run has left is found
// and cleared away by the next write or removal of the same file.
func temporaryName(name string) string {
	return path.Join(path.Dir(name), ".lvsdr-"+path.Base(name))
}
