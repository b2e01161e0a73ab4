package linux

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// How long one writer of a file waits for another.
const (
	writerPatience = 10 * time.Second
	// A file that others may open is about to take its place, see fill: its writer
	// has nothing else to do in between.
	placingPatience = time.Second
	writerInterval  = time.Millisecond
)

// openTemporary opens an empty file that nobody else writes: a second writer of
// the same file waits for the first one's lock, and then finds that the name has
// moved on. It waits for nobody for ever: flock(2) needs no more than the right to
// read, and a writer killed at the last moment leaves a file that all may read.
func openTemporary(name string) (*os.File, error) {
	var w writer
	for begun := time.Now(); time.Since(begun) < writerPatience; time.Sleep(writerInterval) {
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		mine, err := w.take(file)
		if err == nil && mine {
			return file, file.Truncate(0)
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: host.ErrLocked}
}

// A writer waits for its turn.
type writer struct {
	open time.Time // since when others may open the file that another one has
}

// take locks the file; when it is not mine, it is to be opened and tried again.
func (w *writer) take(file *os.File) (mine bool, err error) {
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return usable(file)
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return false, &fs.PathError{Op: "lock", Path: file.Name(), Err: err}
	}
	open, err := openToOthers(file)
	switch {
	case err != nil:
	case !open:
		w.open = time.Time{}
	case w.open.IsZero():
		w.open = time.Now()
	case time.Since(w.open) > placingPatience:
		err = removeNamed(file)
	}
	return false, err
}

// usable tells whether a file that this process has locked is worth it: it has its
// name, and nobody else may open it. One that others may open goes.
func usable(file *os.File) (bool, error) {
	named, err := hasName(file)
	if !named || err != nil {
		return false, err
	}
	open, err := openToOthers(file)
	if open && err == nil {
		err = os.Remove(file.Name())
	}
	return !open, err
}

// removeNamed removes the file, if its name still leads to it.
func removeNamed(file *os.File) error {
	named, err := hasName(file)
	if !named || err != nil {
		return err
	}
	return os.Remove(file.Name())
}

func openToOthers(file *os.File) (bool, error) {
	info, err := file.Stat()
	return err == nil && info.Mode().Perm()&0o077 != 0, err
}

// hasName tells whether the file still has its name.
func hasName(file *os.File) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, named), err
}
