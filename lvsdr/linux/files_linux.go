package linux

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// OSFiles are the files of the running machine, or those below Root: of a tree that
// nobody else writes. [Image] is for any other.
type OSFiles struct {
	// Root is put before every name, and symbolic links are followed as if it
	// were "/": none leads out of it. Empty means the machine's own root. It
	// guards against the links of an image, not against somebody who changes
	// them at the same time.
	Root string
}

// ReadFile reads the whole file: a regular one of at most 1 MB, whoever made its name.
// It does not wait.
func (f OSFiles) ReadFile(name string) ([]byte, error) {
	path, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	return readRegular(path)
}

// WriteFile replaces the file by way of a temporary one beside it, which is on
// the disk before it takes the file's place, as its new name is when WriteFile
// returns. Parents that are missing appear together with the file, in one rename, so
// that no kill leaves an empty directory.
func (f OSFiles) WriteFile(name string, data []byte, perm fs.FileMode) error {
	path, err := f.resolve(name, false)
	if err != nil {
		return err
	}
	top, err := topMissing(filepath.Dir(path))
	if err != nil {
		return err
	}
	if top != "" {
		return writeTree(top, path, data, perm)
	}
	tmp, err := openTemporary(host.TemporaryName(path))
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := fill(tmp, data, perm); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// Symlink makes name point to target in one atomic step and makes missing
// parents; all are on the disk when it returns. The target is stored as it is.
func (f OSFiles) Symlink(target, name string) error {
	path, err := f.resolve(name, false)
	if err != nil {
		return err
	}
	top, err := topMissing(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	tmp := host.TemporaryName(path)
	if err := removeFile(tmp); err != nil {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncUpTo(path, cmp.Or(top, path))
}

// Readlink returns where the symbolic link points to, as it is stored.
func (f OSFiles) Readlink(name string) (string, error) {
	path, err := f.resolve(name, false)
	if err != nil {
		return "", err
	}
	target, err := os.Readlink(path)
	if errors.Is(err, syscall.EINVAL) { // there, but not a link
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrNotExist}
	}
	return target, err
}

// Remove removes a file, a link or an empty directory, and what a killed
// WriteFile of the same name has left. It is gone from the disk when Remove returns.
func (f OSFiles) Remove(name string) error {
	path, err := f.resolve(name, false)
	if err != nil {
		return err
	}
	if err := removeFile(host.TemporaryName(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return ignoreAbsent(err)
	}
	return syncDir(filepath.Dir(path))
}

// ReadDir lists the names in a directory, sorted.
func (f OSFiles) ReadDir(name string) ([]string, error) {
	path, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// resolve returns the machine's path of name: Root and the symbolic links taken
// into account, that of the last element only with follow.
func (f OSFiles) resolve(name string, follow bool) (string, error) {
	root := filepath.Clean("/" + f.Root)
	if root == "/" {
		return filepath.Clean("/" + name), nil
	}
	const most = 40 // the kernel's own limit, path_resolution(7)
	at, rest := "/", filepath.Clean("/" + name)[1:]
	for links := 0; rest != ""; {
		element, after, more := strings.Cut(rest, "/")
		next := filepath.Join(at, element)
		rest = after
		if !more && !follow {
			at = next
			break
		}
		target, err := os.Readlink(root + next)
		if err != nil { // not a link, or not there: for the caller to find out
			at = next
			continue
		}
		if links++; links > most {
			return "", &fs.PathError{Op: "open", Path: name, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = strings.Trim(filepath.Clean(target)+"/"+rest, "/")
	}
	return filepath.Join(root, at), nil
}

func removeFile(path string) error {
	return ignoreAbsent(os.Remove(path))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// topMissing returns the topmost directory on the way to dir that is not there,
// empty when all are.
func topMissing(dir string) (string, error) {
	top := ""
	for ; dir != "/"; dir = filepath.Dir(dir) {
		_, err := os.Stat(dir)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		top = dir
	}
	return top, nil
}

// writeTree makes the directory top with the file path somewhere below it.
func writeTree(top, path string, data []byte, perm fs.FileMode) error {
	tmp := host.TemporaryName(top)
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := fillTree(tmp, tmp+strings.TrimPrefix(path, top), data, perm); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, top); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return syncUpTo(path, top)
}

// syncUpTo puts the names of path and of the directories above it on the disk, up to
// that of top.
func syncUpTo(path, top string) error {
	for {
		if err := syncDir(filepath.Dir(path)); err != nil || path == top || path == "/" {
			return err
		}
		path = filepath.Dir(path)
	}
}

func fillTree(tree, path string, data []byte, perm fs.FileMode) error {
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return fill(file, data, perm)
}

// makeDirs makes the missing directories, which everybody may look into whatever the
// umask says: a plan needs no rights.
func makeDirs(dir string) error {
	switch _, err := os.Stat(dir); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := makeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return os.Chmod(dir, 0o755)
}

func fill(file *os.File, data []byte, perm fs.FileMode) error {
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Chmod(perm) // past the umask; last, see openTemporary
}
