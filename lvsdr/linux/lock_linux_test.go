package linux_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

const lockName = "/run/lvsdr/lock"

func TestLockExcludes(t *testing.T) {
	root := t.TempDir()
	h := &host.Host{Files: linux.OSFiles{Root: root}}
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 5 {
				held, unlock, err := h.Lock(t.Context(), host.Waiting{})
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d at once", n)
				}
				if _, _, err := held.Lock(t.Context(), host.Waiting{}); err != nil { // it has it
					t.Error(err)
				}
				inside.Add(-1)
				unlock()
				unlock() // once is enough, twice does no harm
			}
		}()
	}
	all.Wait()
	if _, err := os.Stat(root + "/run/lvsdr"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's folder is left over: %v", err)
	}
}

// What a host was locked with does not outlast the lock.
func TestLockEnds(t *testing.T) {
	h := &host.Host{Files: linux.OSFiles{Root: t.TempDir()}}
	held, unlock, err := h.Lock(t.Context(), host.Waiting{})
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	release, err := h.Files.Lock(lockName)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	_, _, err = held.Lock(t.Context(), host.Waiting{Patience: time.Millisecond})
	var locked *host.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || !errors.Is(err, host.ErrLocked) {
		t.Errorf("%v, want that pid %d has it", err, os.Getpid())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := h.Lock(ctx, host.Waiting{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// The lock takes with it neither the ledger beside it nor anything else, and the file
// is one that other users cannot open: flock(2) needs no right to write.
func TestLockFile(t *testing.T) {
	root := t.TempDir()
	f := linux.OSFiles{Root: root}
	unlock, err := f.Lock(lockName)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(root + lockName); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info.Mode(), err)
	}
	if err := f.WriteFile("/run/lvsdr/director", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	unlock()
	if names, err := f.ReadDir("/run/lvsdr"); err != nil || len(names) != 1 {
		t.Errorf("%q, %v", names, err)
	}
	if err := f.Symlink(root+"/etc", lockName); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock(lockName); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("%v, want that a link is not followed", err)
	}
}

// leave puts a file there as a killed process of an older version has left it.
func leave(t *testing.T, path string, perm os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("4194304\n"), perm); err != nil {
		t.Fatal(err)
	}
}

// A killed lvsdr leaves the file behind, but not the lock; one that all may read, as
// older versions made it, is replaced.
func TestLockOfTheDead(t *testing.T) {
	for _, perm := range []os.FileMode{0o600, 0o644} {
		root := t.TempDir()
		leave(t, root+lockName, perm)
		unlock, err := (linux.OSFiles{Root: root}).Lock(lockName)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(root + lockName); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v, want mode 0600", info.Mode(), err)
		}
		unlock()
	}
}

// flock holds a lock on the file in a process, of the user nobody if said.
func flock(t *testing.T, path string, nobody bool) {
	t.Helper()
	cmd := exec.Command("flock", "--shared", "--no-fork", path, "sh", "-c", "echo; exec sleep 60")
	if nobody {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

// shared is a folder that other users may go into.
func shared(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user too")
	}
	root := t.TempDir()
	for dir := root; dir != "/" && dir != "/tmp"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A local user who locks what an older version has left readable stops nobody.
func TestLockOfAStranger(t *testing.T) {
	root := shared(t)
	leave(t, root+lockName, 0o644)
	flock(t, root+lockName, true)
	h := &host.Host{Files: linux.OSFiles{Root: root}}
	_, unlock, err := h.Lock(t.Context(), host.Waiting{Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// Who has the lock is named only where it is certain: not from a number in the file
// that is a dead one's.
func TestLockHolderIsTrue(t *testing.T) {
	root := shared(t)
	leave(t, root+lockName, 0o600)
	flock(t, root+lockName, false)
	_, err := (linux.OSFiles{Root: root}).Lock(lockName)
	var locked *host.LockedError
	if !errors.As(err, &locked) || locked.PID != 0 || locked.Holder() != "another process" {
		t.Errorf("%v, want another process that is not named", err)
	}
}

// A local user who locks what a killed write has left readable stops nobody either.
func TestTemporaryOfAStranger(t *testing.T) {
	root := shared(t)
	leave(t, root+"/etc/.lvsdr-file", 0o644)
	flock(t, root+"/etc/.lvsdr-file", true)
	done := make(chan error, 1)
	go func() { done <- linux.OSFiles{Root: root}.WriteFile("/etc/file", []byte("1"), 0o644) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it still waits after 10 s")
	}
}
