package linux

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadFileOfOthers: names that somebody else has made neither hold a reader up nor
// eat its memory.
func TestReadFileOfOthers(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		syscall.Mkfifo(in("fifo"), 0o666),
		os.Symlink("fifo", in("link-to-fifo")),
		os.Symlink("/dev/zero", in("zero")),
		os.WriteFile(in("most"), bytes.Repeat([]byte("x"), maxRead), 0o644),
		os.WriteFile(in("large"), bytes.Repeat([]byte("x"), maxRead+1), 0o644),
		os.WriteFile(in("empty"), nil, 0o644),
		os.WriteFile(in("sparse"), nil, 0o644),
		os.Truncate(in("sparse"), 1<<40),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]error{
		"fifo": errIrregular, "link-to-fifo": errIrregular, "zero": errIrregular, ".": syscall.EISDIR,
		"most": nil, "empty": nil, "large": errTooLarge, "sparse": errTooLarge, "none": fs.ErrNotExist,
	} {
		ended := make(chan error, 1)
		go func() {
			_, err := OSFiles{}.ReadFile(in(name))
			ended <- err
		}()
		select {
		case err := <-ended:
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if err != nil && strings.Count(err.Error(), dir) != 1 {
				t.Errorf("%s: %v does not name the file once", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the reader hangs", name)
		}
	}
	if data, err := (OSFiles{}).ReadFile("/proc/self/status"); err != nil || len(data) == 0 {
		t.Errorf("/proc: %q, %v", data, err)
	}
}

// TestNamesReachTheDisk: after each change of a name its directory is synced, and so
// is that of every directory made on the way.
func TestNamesReachTheDisk(t *testing.T) {
	root := t.TempDir()
	var synced []string
	before := syncDir
	defer func() { syncDir = before }()
	syncDir = func(name string) error {
		synced = append(synced, strings.TrimPrefix(name, root)+"/")
		return before(name)
	}
	f := OSFiles{root}
	for _, c := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"a file with its parents", func() error { return f.WriteFile("/a/b/c", nil, 0o644) }, []string{"/a/b/", "/a/", "/"}},
		{"a file", func() error { return f.WriteFile("/a/b/d", nil, 0o644) }, []string{"/a/b/"}},
		{"a link with its parents", func() error { return f.Symlink("x", "/a/l/m/n") }, []string{"/a/l/m/", "/a/l/", "/a/"}},
		{"a link", func() error { return f.Symlink("y", "/a/l/m/n") }, []string{"/a/l/m/"}},
		{"a removal", func() error { return f.Remove("/a/b/c") }, []string{"/a/b/"}},
		{"a removal of nothing", func() error { return f.Remove("/a/b/c") }, nil},
	} {
		synced = nil
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !slices.Equal(synced, c.want) {
			t.Errorf("%s: synced %q, want %q", c.name, synced, c.want)
		}
	}
	for name, fail := range map[string]func() error{
		"write":  func() error { return f.WriteFile("/a/e", nil, 0o644) },
		"link":   func() error { return f.Symlink("z", "/a/l/z") },
		"remove": func() error { return f.Remove("/a/b/d") },
	} {
		syncDir = func(string) error { return syscall.EIO }
		if err := fail(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v, want the error of the disk", name, err)
		}
	}
}
