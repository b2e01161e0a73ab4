package linux_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/linux"
)

func TestOSFiles(t *testing.T) {
	root := t.TempDir()
	f := linux.OSFiles{root}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.WriteFile("/etc/sysctl.d/b.conf", []byte("one\n"), 0o640))
	check(f.WriteFile("/etc/sysctl.d/b.conf", []byte("two\n"), 0o600))
	check(f.WriteFile("/etc/sysctl.d/a.conf", nil, 0o644))
	data, err := f.ReadFile("/etc/sysctl.d/b.conf")
	if string(data) != "two\n" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	info, err := os.Stat(root + "/etc/sysctl.d/b.conf")
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	names, err := f.ReadDir("/etc/sysctl.d")
	if !slices.Equal(names, []string{"a.conf", "b.conf"}) || err != nil {
		t.Errorf("read %q, %v", names, err)
	}
	check(f.Symlink("../b", "/etc/wants/link"))
	check(f.Symlink("../sysctl.d/b.conf", "/etc/wants/link"))
	if target, err := f.Readlink("/etc/wants/link"); target != "../sysctl.d/b.conf" || err != nil {
		t.Errorf("link to %q, %v", target, err)
	}
	if data, err := f.ReadFile("/etc/wants/link"); string(data) != "two\n" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	for _, name := range []string{"/etc/wants/link", "/etc/wants/link", "/etc/wants", "/none/at/all"} {
		check(f.Remove(name))
	}
	if err := f.Remove("/etc/sysctl.d"); err == nil {
		t.Error("removed a folder with files")
	}
}

func TestOSFilesAbsent(t *testing.T) {
	f := linux.OSFiles{t.TempDir()}
	if err := f.WriteFile("/plain", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, readFile := f.ReadFile("/none")
	_, readDir := f.ReadDir("/none")
	_, readNone := f.Readlink("/none")
	_, readPlain := f.Readlink("/plain")
	for i, err := range []error{readFile, readDir, readNone, readPlain} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// The links of an image lead nowhere outside it.
func TestOSFilesStayInRoot(t *testing.T) {
	top := t.TempDir()
	root := top + "/image"
	for link, target := range map[string]string{
		"absolute": "/real", "up": "../../../../../..", "file": "/real/file", "loop": "loop",
	} {
		if err := (linux.OSFiles{root}).Symlink(target, "/"+link); err != nil {
			t.Fatal(err)
		}
	}
	f := linux.OSFiles{root}
	if err := f.WriteFile("/absolute/file", []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile("/up/top", []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"real/file": "1", "top": "2"} {
		if data, err := os.ReadFile(filepath.Join(root, name)); string(data) != want || err != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if data, err := f.ReadFile("/file"); string(data) != "1" || err != nil {
		t.Errorf("through a link: %q, %v", data, err)
	}
	if _, err := f.ReadFile("/loop"); err == nil {
		t.Error("read a loop")
	}
	entries, _ := os.ReadDir(top)
	if len(entries) != 1 {
		t.Errorf("something was made outside: %v", entries)
	}
}

// What a killed write has left goes with the next one of the same file, and
// with its removal.
func TestOSFilesLeftovers(t *testing.T) {
	root := t.TempDir()
	f := linux.OSFiles{root}
	leave := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(root+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+name, []byte("half of somethi"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave("/etc/.lvsdr-new/deep/file")
	if err := f.WriteFile("/etc/new/file", []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	leave("/etc/new/.lvsdr-file")
	if err := f.WriteFile("/etc/new/file", []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if data, _ := f.ReadFile("/etc/new/file"); string(data) != "2" {
		t.Errorf("read %q", data)
	}
	if names, _ := f.ReadDir("/etc"); !slices.Equal(names, []string{"new"}) {
		t.Errorf("left %q", names)
	}
	leave("/etc/new/.lvsdr-file")
	if err := f.Remove("/etc/new/file"); err != nil {
		t.Fatal(err)
	}
	if names, _ := f.ReadDir("/etc/new"); len(names) > 0 {
		t.Errorf("left %q", names)
	}
}

// A failed write leaves the file as it was, and nothing beside it.
func TestOSFilesFailedWrite(t *testing.T) {
	root := t.TempDir()
	f := linux.OSFiles{root}
	if err := f.WriteFile("/dir/name/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile("/dir/name", []byte("x"), 0o644); err == nil {
		t.Error("replaced a folder")
	}
	if names, _ := f.ReadDir("/dir"); !slices.Equal(names, []string{"name"}) {
		t.Errorf("left %q", names)
	}
}

func TestOSFilesWritersWaitForEachOther(t *testing.T) {
	f := linux.OSFiles{t.TempDir()}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for n := range 20 {
				content := strings.Repeat(fmt.Sprintf("%d.%d\n", i, n), 1000)
				if err := f.WriteFile("/file", []byte(content), 0o644); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wait.Wait()
	data, err := f.ReadFile("/file")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	if string(data) != strings.Repeat(first+"\n", 1000) {
		t.Error("two writers' content is mixed")
	}
	if names, _ := f.ReadDir("/"); !slices.Equal(names, []string{"file"}) {
		t.Errorf("left %q", names)
	}
}
