package linux

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ReadFile reads the whole file: a regular one of at most 1 MB. It does not wait.
func (f imageFiles) ReadFile(name string) ([]byte, error) {
	data, err := readBoundedBy(func(st *unix.Stat_t) error {
		fd, err := f.open(name, unix.O_PATH)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fstat(fd, st)
	}, func(flags int) (int, error) { return f.open(name, flags) })
	return data, at("read", name, err)
}

// ReadDir lists the names in a directory, sorted.
func (f imageFiles) ReadDir(name string) ([]string, error) {
	fd, err := f.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, at("open", name, err)
	}
	names, err := namesIn(fd, name)
	slices.Sort(names)
	return names, err
}

// Readlink returns where the symbolic link points to, as it is stored.
func (f imageFiles) Readlink(name string) (string, error) {
	dir, err := f.folder(path.Dir(name))
	if err != nil {
		return "", at("readlink", name, err)
	}
	defer unix.Close(dir)
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, path.Base(name), target)
	if errors.Is(err, unix.EINVAL) { // there, but not a link
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", at("readlink", name, err)
	}
	return string(target[:n]), nil
}

// WriteFile replaces the file by way of a temporary one beside it. Parents that are
// missing appear together with the file, in one rename.
func (f imageFiles) WriteFile(name string, data []byte, perm fs.FileMode) error {
	dir, missing, err := f.parent(name)
	if err != nil {
		return at("write", name, err)
	}
	defer unix.Close(dir)
	put := func(dir int, as string) error { return writeAt(dir, as, data, perm) }
	return at("write", name, place(dir, append(missing, path.Base(name)), put))
}

// Symlink makes name point to target and makes missing parents. The target is stored
// as it is.
func (f imageFiles) Symlink(target, name string) error {
	dir, missing, err := f.parent(name)
	if err != nil {
		return at("symlink", name, err)
	}
	defer unix.Close(dir)
	put := func(dir int, as string) error { return unix.Symlinkat(target, dir, as) }
	return at("symlink", name, place(dir, append(missing, path.Base(name)), put))
}

// Remove removes a file, a link or an empty directory, and what a killed WriteFile of
// the same name has left.
func (f imageFiles) Remove(name string) error {
	dir, err := f.folder(path.Dir(name))
	if err != nil {
		return at("remove", name, ignoreAbsent(err))
	}
	defer unix.Close(dir)
	base := path.Base(name)
	if err := ignoreAbsent(unlink(dir, path.Base(host.TemporaryName(name)))); err != nil {
		return at("remove", name, err)
	}
	if err := unlink(dir, base); err != nil {
		return at("remove", name, ignoreAbsent(err))
	}
	return at("remove", name, syncFd(dir))
}

// at names the file that an error is about, by its name in the image.
func at(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// open opens what name is inside the root. A rename at the same time may make the
// kernel ask to try again (openat2(2), EAGAIN).
func (f imageFiles) open(name string, flags int) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for range 1000 {
		fd, err = unix.Openat2(int(f.root.Fd()), path.Clean("/"+name), &how)
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	runtime.KeepAlive(f.root)
	return fd, err
}

func (f imageFiles) folder(name string) (fd int, err error) {
	return f.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
}

// parent opens the folder that name is to be in, or the nearest above it that is there,
// and returns the names of those that are missing on the way.
func (f imageFiles) parent(name string) (fd int, missing []string, err error) {
	for dir := path.Dir(path.Clean("/" + name)); ; dir = path.Dir(dir) {
		fd, err = f.folder(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return fd, missing, err
		}
		missing = slices.Insert(missing, 0, path.Base(dir))
	}
}

// namesIn lists an open directory and closes it.
func namesIn(fd int, name string) ([]string, error) {
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	return dir.Readdirnames(-1)
}
