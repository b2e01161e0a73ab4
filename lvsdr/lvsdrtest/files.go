package lvsdrtest

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A node is a file, a directory or a symbolic link.
type node struct {
	mode   fs.FileMode
	data   string
	target string
}

func (s *state) makeDirectories() {
	for _, dir := range []string{
		"/", "/etc", "/etc/modules-load.d", "/etc/modprobe.d", "/etc/sysctl.d", "/etc/systemd/system",
		"/run", "/usr/lib/sysctl.d", "/var/lib",
	} {
		s.makeParents(path.Join(dir, "x"))
	}
}

func pathError(op, name string, errno syscall.Errno) error {
	return &fs.PathError{Op: op, Path: name, Err: errno}
}

// resolve follows symbolic links: those of the folders, and the last one when
// follow says so.
func (s *state) resolve(op, name string, follow bool) (string, error) {
	if !path.IsAbs(name) {
		return "", pathError(op, name, syscall.EINVAL)
	}
	rest := strings.Split(strings.Trim(path.Clean(name), "/"), "/")
	at := "/"
	for links := 0; len(rest) > 0; rest = rest[1:] {
		at = path.Join(at, rest[0])
		n, ok := s.nodes[at]
		if !ok || n.mode.IsDir() || n.mode.IsRegular() && len(rest) == 1 {
			continue
		}
		if n.mode.IsRegular() {
			return "", pathError(op, name, syscall.ENOTDIR)
		}
		if len(rest) == 1 && !follow {
			continue
		}
		if links++; links > 40 {
			return "", pathError(op, name, syscall.ELOOP)
		}
		target := n.target
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(at), target)
		}
		rest = append([]string{""}, append(strings.Split(strings.Trim(target, "/"), "/"), rest[1:]...)...)
		at = "/"
	}
	return at, nil
}

func (s files) ReadFile(name string) ([]byte, error) {
	at, err := s.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	n, ok := s.nodes[at]
	switch {
	case !ok:
		return nil, pathError("open", name, syscall.ENOENT)
	case n.mode.IsDir():
		return nil, pathError("read", name, syscall.EISDIR)
	}
	return []byte(n.data), nil
}

// WriteFile replaces whatever has the name, a link too, as rename(2) does.
func (s files) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return s.put("rename", name, node{mode: perm.Perm(), data: string(data)})
}

func (s files) Symlink(target, name string) error {
	if at, err := s.resolve("symlink", name, false); err == nil {
		if n, ok := s.nodes[at]; ok && n.mode&fs.ModeSymlink == 0 {
			return pathError("symlink", name, syscall.EEXIST)
		}
	}
	return s.put("symlink", name, node{mode: fs.ModeSymlink | 0o777, target: target})
}

func (s *state) put(op, name string, n node) error {
	at, err := s.resolve(op, name, false)
	if err != nil {
		return err
	}
	if s.nodes[at].mode.IsDir() {
		return pathError(op, name, syscall.EISDIR)
	}
	s.makeParents(at)
	s.nodes[at] = n
	return nil
}

func (s *state) makeParents(name string) {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if _, ok := s.nodes[dir]; !ok {
			s.nodes[dir] = node{mode: fs.ModeDir | 0o755}
		}
		if dir == "/" {
			return
		}
	}
}

func (s files) Readlink(name string) (string, error) {
	at, err := s.resolve("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n := s.nodes[at]; n.mode&fs.ModeSymlink != 0 {
		return n.target, nil
	}
	return "", pathError("readlink", name, syscall.ENOENT)
}

func (s files) Remove(name string) error {
	at, err := s.resolve("remove", name, false)
	if err != nil {
		return err
	}
	if s.nodes[at].mode.IsDir() && len(s.children(at)) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	delete(s.nodes, at)
	return nil
}

func (s files) ReadDir(name string) ([]string, error) {
	at, err := s.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	n, ok := s.nodes[at]
	switch {
	case !ok:
		return nil, pathError("open", name, syscall.ENOENT)
	case !n.mode.IsDir():
		return nil, pathError("readdir", name, syscall.ENOTDIR)
	}
	return s.children(at), nil
}

// Lock leaves no file, and makes no folder.
func (s files) Lock(name string) (unlock func(), err error) {
	if s.locks[name] {
		return nil, &host.LockedError{PID: os.Getpid()}
	}
	s.locks[name] = true
	return func() { delete(s.locks, name) }, nil
}

// children returns the names in a directory, sorted.
func (s *state) children(dir string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if name != "/" && path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	return names
}
