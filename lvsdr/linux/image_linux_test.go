package linux_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

func image(t *testing.T) (files host.Files, root, outside string) {
	t.Helper()
	top := t.TempDir()
	root, outside = top+"/image", top+"/outside"
	for _, dir := range []string{root + "/etc/sysctl.d", root + "/run", outside} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h, err := linux.Image(root)
	if err != nil {
		t.Fatal(err)
	}
	return h.Files, root, outside
}

// Somebody makes a folder of the image a link to the outside and back all the time:
// nothing is written, read, listed, locked or removed there.
func TestImageAgainstRaces(t *testing.T) {
	f, root, outside := image(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(outside+"/secret", []byte("secret"), 0o644))
	must(os.WriteFile(outside+"/.lvsdr-secret", []byte("secret"), 0o644))
	must(os.Symlink(outside, root+"/etc/link"))
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, root+"/etc/link", unix.AT_FDCWD, root+"/etc/sysctl.d", unix.RENAME_EXCHANGE)
			}
		}
	}()
	written := 0
	for begun := time.Now(); time.Since(begun) < time.Second; {
		if f.WriteFile("/etc/sysctl.d/deep/er/file", []byte("x"), 0o644) == nil {
			written++
		}
		_ = f.Symlink("/x", "/etc/sysctl.d/wants/link")
		_ = f.Remove("/etc/sysctl.d/secret")
		if unlock, err := f.Lock("/etc/sysctl.d/lock/lock"); err == nil {
			unlock()
		}
		if data, err := f.ReadFile("/etc/sysctl.d/secret"); err == nil {
			t.Fatalf("read %q from outside", data)
		}
		if names, _ := f.ReadDir("/etc/sysctl.d"); slices.Contains(names, "secret") {
			t.Fatalf("listed the outside: %q", names)
		}
	}
	close(done)
	wait.Wait()
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 2 {
		t.Errorf("outside is %v, %v", entries, err)
	}
	if written == 0 {
		t.Error("nothing was ever written, so nothing was tried")
	}
}

// Somebody makes the name, under which a folder is to be built, a link to the outside.
func TestImageAgainstRacesForTemporaries(t *testing.T) {
	f, root, outside := image(t)
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for {
			select {
			case <-done:
				return
			default:
				_ = os.Symlink(outside, root+"/etc/.lvsdr-new")
				_ = os.Remove(root + "/etc/.lvsdr-new")
			}
		}
	}()
	for begun := time.Now(); time.Since(begun) < time.Second; {
		_ = f.WriteFile("/etc/new/file", []byte("x"), 0o644)
		_ = os.RemoveAll(root + "/etc/new")
	}
	close(done)
	wait.Wait()
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside is %v, %v", entries, err)
	}
}

func TestImageFiles(t *testing.T) {
	f, root, _ := image(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.WriteFile("/etc/sysctl.d/b.conf", []byte("one\n"), 0o640))
	check(f.WriteFile("/etc/sysctl.d/b.conf", []byte("two\n"), 0o600))
	check(f.Symlink("../b", "/etc/wants/link"))
	check(f.Symlink("/etc/sysctl.d/b.conf", "/etc/wants/link"))
	if data, err := f.ReadFile("/etc/wants/link"); string(data) != "two\n" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	if info, err := os.Stat(root + "/etc/sysctl.d/b.conf"); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if target, err := f.Readlink("/etc/wants/link"); target != "/etc/sysctl.d/b.conf" || err != nil {
		t.Errorf("link to %q, %v", target, err)
	}
	_, none := f.ReadFile("/none")
	_, noDir := f.ReadDir("/none")
	_, noLink := f.Readlink("/etc/sysctl.d/b.conf")
	for _, err := range []error{none, noDir, noLink} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v, want %v", err, os.ErrNotExist)
		}
	}
	check(unix.Mkfifo(root+"/etc/fifo", 0o644))
	if _, err := f.ReadFile("/etc/fifo"); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a FIFO: %v", err)
	}
	if err := f.Remove("/etc/wants"); err == nil {
		t.Error("removed a folder with a link in it")
	}
	for _, name := range []string{"/etc/wants/link", "/etc/wants/link", "/etc/wants", "/none/at/all", "/etc/fifo"} {
		check(f.Remove(name))
	}
	if err := f.WriteFile("/etc/sysctl.d", nil, 0o644); err == nil {
		t.Error("replaced a folder")
	}
	if names, err := f.ReadDir("/etc"); !slices.Equal(names, []string{"sysctl.d"}) || err != nil {
		t.Errorf("left %q, %v", names, err)
	}
}

// What a killed write has left goes with the next of the same name, trees too.
func TestImageLeftovers(t *testing.T) {
	f, root, _ := image(t)
	for _, name := range []string{"/etc/.lvsdr-new/deep/file", "/etc/sysctl.d/.lvsdr-x"} {
		if err := os.MkdirAll(filepath.Dir(root+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.WriteFile("/etc/new/file", nil, 0o644), f.Remove("/etc/sysctl.d/x")); err != nil {
		t.Fatal(err)
	}
	if names, _ := f.ReadDir("/etc"); !slices.Equal(names, []string{"new", "sysctl.d"}) {
		t.Errorf("left %q", names)
	}
	if names, _ := f.ReadDir("/etc/sysctl.d"); len(names) > 0 {
		t.Errorf("left %q", names)
	}
}

func TestImageLock(t *testing.T) {
	f, root, outside := image(t)
	if err := os.Remove(root + "/run"); err != nil {
		t.Fatal(err)
	}
	unlock, err := f.Lock(host.LockFile)
	if err != nil {
		t.Fatal(err)
	}
	var locked *host.LockedError
	if _, err := f.Lock(host.LockFile); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("a second time: %v", err)
	}
	unlock()
	if names, _ := f.ReadDir("/"); !slices.Equal(names, []string{"etc"}) {
		t.Errorf("left %q", names)
	}
	if err := os.Symlink(outside, root+"/run"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock(host.LockFile); err == nil {
		t.Error("locked behind a link that leads nowhere in the image")
	}
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("outside is %v", entries)
	}
}
