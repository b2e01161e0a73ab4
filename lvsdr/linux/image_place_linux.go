package linux

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Below a directory that is open, one name at a time and no link followed: nobody who
// changes the tree meanwhile can lead out of it.

// temporary is the name under which something is made that is to be name.
func temporary(name string) string { return path.Base(host.TemporaryName("/" + name)) }

// place makes what way leads to, folder by folder from dir on: put makes the last. All
// of it appears by one rename, and is then on the disk.
func place(dir int, way []string, put func(dir int, as string) error) error {
	first := way[0]
	tmp := temporary(first)
	if err := ignoreAbsent(removeTree(dir, tmp)); err != nil {
		return err
	}
	err := build(dir, append([]string{tmp}, way[1:]...), put)
	if err == nil { // a folder takes the place of an empty folder alone (rename(2))
		err = unix.Renameat(dir, tmp, dir, first)
	}
	if err != nil {
		return errors.Join(err, ignoreAbsent(removeTree(dir, tmp)))
	}
	return syncFd(dir)
}

// build makes the folders of way and has put make its end.
func build(dir int, way []string, put func(dir int, as string) error) error {
	if len(way) == 1 {
		return put(dir, way[0])
	}
	if err := unix.Mkdirat(dir, way[0], 0o755); err != nil {
		return err
	}
	next, err := unix.Openat(dir, way[0], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(next)
	if err := build(next, way[1:], put); err != nil {
		return err
	}
	return syncFd(next)
}

func writeAt(dir int, name string, data []byte, perm fs.FileMode) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	return fill(file, data, perm)
}

// unlink removes a file, a link or an empty directory.
func unlink(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	return err
}

// removeTree removes whatever has the name.
func removeTree(dir int, name string) error {
	err := unlink(dir, name)
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	listed, err := unix.Dup(fd)
	if err == nil {
		err = removeNames(fd, listed)
	}
	unix.Close(fd)
	if err != nil {
		return err
	}
	return unlink(dir, name)
}

func removeNames(dir, listed int) error {
	names, err := namesIn(listed, ".")
	for _, n := range names {
		err = errors.Join(err, ignoreAbsent(removeTree(dir, n)))
	}
	return err
}

// syncFd puts a directory's names on the disk. A filesystem that cannot says EINVAL.
func syncFd(dir int) error {
	if err := unix.Fsync(dir); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
