package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLockExcludes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lvsdr", "lock")
	s := &session{
		output: &output{stderr: io.Discard},
		sys:    &system{lock: lockConfig{file, time.Minute, time.Hour, time.Microsecond}},
	}
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 25 {
				unlock, err := s.lock(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d at once", n)
				}
				inside.Add(-1)
				unlock()
			}
		}()
	}
	all.Wait()
	if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's folder is left over: %v", err)
	}
}

func TestLockKeepsWhatIsNotItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lvsdr", "lock")
	unlock, err := tryLock(file)
	if err != nil {
		t.Fatal(err)
	}
	ledger := filepath.Join(filepath.Dir(file), "director")
	if err := os.WriteFile(ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unlock()
	if _, err := os.Stat(ledger); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock is left over: %v", err)
	}
}

// A killed lvsdr leaves the file behind, but not the lock.
func TestLockOfTheDead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(file, []byte("4194304\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unlock, err := tryLock(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := holder(file), "pid "+strconv.Itoa(os.Getpid()); got != want {
		t.Errorf("holder %q, want %q", got, want)
	}
	unlock()
}

func TestLockIsGivenUpOnASignal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	unlock, err := tryLock(file)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	s := &session{
		output: &output{stderr: io.Discard},
		sys:    &system{lock: lockConfig{file, time.Minute, time.Hour, time.Microsecond}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}
