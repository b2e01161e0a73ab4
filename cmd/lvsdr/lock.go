package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errLocked: another process holds the lock.
var errLocked = errors.New("locked")

// lock has this process be the only lvsdr that changes the host. It waits for
// another one, says so after a moment, and gives up after c.patience. Unlock
// leaves no trace: neither the file nor its folder, when nobody else uses it.
func (s *session) lock(ctx context.Context) (unlock func(), err error) {
	c := s.sys.lock
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, errLocked)
	defer cancel()
	tell := time.After(c.silence)
	for {
		unlock, err := tryLock(c.file)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		select {
		case <-time.After(c.interval):
		case <-tell:
			s.note("waiting for another lvsdr (%s) …", holder(c.file))
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errLocked) {
				return nil, fmt.Errorf("another lvsdr (%s) is still at work on this host after %v; nothing was changed",
					holder(c.file), c.patience)
			}
			return nil, fmt.Errorf("while waiting for another lvsdr (%s): %w", holder(c.file), ctx.Err())
		}
	}
}

// tryLock fails with errLocked when somebody else has the lock. The holder
// removes the file before it lets go, so a lock won on a file that is no longer
// the one with that name is worth nothing: then it tries again.
func tryLock(name string) (unlock func(), err error) {
	for {
		file, err := openLock(name)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			file.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errLocked
			}
			return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
		}
		if !isNamed(file, name) {
			file.Close()
			continue
		}
		// Who cannot read the number still waits correctly.
		_ = file.Truncate(0)
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		return func() {
			os.Remove(name)
			os.Remove(filepath.Dir(name)) // fails while the ledger is in it
			file.Close()
		}, nil
	}
}

// openLock makes the folder too, and again if the last holder removes it in
// between: then making it fails with "exists", or the file has no folder.
func openLock(name string) (file *os.File, err error) {
	for range 100 {
		err = os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return file, err
}

func isNamed(file *os.File, name string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there)
}

// holder tells the process that has the lock.
func holder(name string) string {
	data, _ := os.ReadFile(name)
	if pid := strings.TrimSpace(string(data)); pid != "" {
		return "pid " + pid
	}
	return "pid unknown"
}
