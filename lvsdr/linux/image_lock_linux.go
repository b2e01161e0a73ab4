package linux

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Lock takes a lock by flock(2) on a file inside the image. Unlock takes the file away,
// and the folders that had to be made for it.
func (f imageFiles) Lock(name string) (unlock func(), err error) {
	made, err := f.makeParents(name)
	if err != nil {
		return nil, at("lock", name, err)
	}
	if len(made) > 1 { // not only its own folder
		if err := f.WriteFile(madeBy(name), nil, 0o600); err != nil {
			return nil, err
		}
	}
	clear := func() { f.clear(name) }
	for range 100 {
		file, dir, err := f.openLock(name)
		if err != nil {
			clear()
			return nil, at("lock", name, err)
		}
		mine, err := takeLock(file, dir, path.Base(name))
		if err == nil && mine {
			return func() {
				_ = unlink(dir, path.Base(name))
				unix.Close(dir)
				file.Close()
				clear()
			}, nil
		}
		unix.Close(dir)
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, at("lock", name, host.ErrLocked)
}

// madeBy is there while the folders above that of a lock are to go with the last thing
// in it, also when the one who made them was killed.
func madeBy(lock string) string { return path.Join(path.Dir(lock), ".made") }

// clear takes the folder of a lock away when nothing else is in it, and with it those
// above it that were made for it.
func (f imageFiles) clear(lock string) {
	folder := path.Dir(lock)
	names, err := f.ReadDir(folder)
	if err != nil {
		return
	}
	if !slices.Equal(names, []string{path.Base(madeBy(lock))}) {
		_ = f.removeEmpty(folder) // fails while something else is in it
		return
	}
	_ = f.Remove(madeBy(lock))
	for ; folder != "/"; folder = path.Dir(folder) {
		_ = f.removeEmpty(folder)
	}
}

// makeParents makes the folders of name, and returns those made, the deepest first.
func (f imageFiles) makeParents(name string) (made []string, err error) {
	for range 100 { // somebody else may take one away again
		dir, missing, err := f.parent(name)
		if err != nil {
			return made, err
		}
		if len(missing) == 0 {
			return made, unix.Close(dir)
		}
		err = unix.Mkdirat(dir, missing[0], 0o755)
		unix.Close(dir)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return made, err
		}
		full := path.Dir(name)
		for range missing[1:] {
			full = path.Dir(full)
		}
		made = append([]string{full}, made...)
	}
	return made, fmt.Errorf("%s is a link that leads nowhere, or is taken away all the time", path.Dir(name))
}

// removeEmpty removes a directory in which nothing is.
func (f imageFiles) removeEmpty(name string) error {
	dir, err := f.folder(path.Dir(name))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Unlinkat(dir, path.Base(name), unix.AT_REMOVEDIR)
}

func (f imageFiles) openLock(name string) (file *os.File, dir int, err error) {
	dir, err = f.folder(path.Dir(name))
	if err != nil {
		return nil, -1, err
	}
	fd, err := unix.Openat(dir, path.Base(name), unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		unix.Close(dir)
		return nil, -1, err
	}
	return os.NewFile(uintptr(fd), name), dir, nil
}

// takeLock locks the file, or fails with a [*host.LockedError]. It is not mine when the
// last holder has taken its name away in between.
func takeLock(file *os.File, dir int, base string) (mine bool, err error) {
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, holderOf(file)
	}
	if err != nil {
		return false, err
	}
	var locked, named unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &locked); err != nil {
		return false, err
	}
	err = unix.Fstatat(dir, base, &named, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || locked.Dev != named.Dev || locked.Ino != named.Ino {
		return false, ignoreAbsent(err)
	}
	_ = file.Truncate(0)
	_, _ = fmt.Fprintln(file, os.Getpid()) // who cannot read it still waits correctly
	return true, nil
}

// holderOf is who has the lock, as far as the kernel and the holder itself agree.
func holderOf(file *os.File) error {
	holder, err := flockHolder(file)
	written := make([]byte, 32)
	n, _ := file.ReadAt(written, 0)
	if err != nil || strings.TrimSpace(string(written[:n])) != fmt.Sprint(holder) {
		holder = 0
	}
	return &host.LockedError{PID: holder}
}
