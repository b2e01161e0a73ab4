package host

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// LockFile is where those who change a host meet: the command, its unit at boot and
// every program that uses this library.
const LockFile = "/run/lvsdr/lock"

// ErrLocked: somebody else has the lock.
var ErrLocked = errors.New("locked by another process")

// A LockedError is [ErrLocked] with who has the lock, as far as that is certain.
type LockedError struct {
	PID   int           // 0: not known
	After time.Duration // that was waited for it
}

func (e *LockedError) Error() string {
	if e.After == 0 {
		return "locked by " + e.Holder()
	}
	return fmt.Sprintf("%s is still at work on this host after %v", e.Holder(), e.After)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Holder names who has the lock, in a sentence.
func (e *LockedError) Holder() string {
	if e.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("another lvsdr (pid %d)", e.PID)
}

// Waiting tells how [Host.Lock] waits for another who changes the host.
type Waiting struct {
	Patience time.Duration       // after it Lock gives up; 0: a minute
	Silence  time.Duration       // after it Told is called, once; 0: a second
	Told     func(holder string) // nil: nobody is told
}

// interval is after how long the lock is tried again.
const interval = 20 * time.Millisecond

// Lock has the caller be the only one who changes the host, and waits for another
// one: two at once never interleave. It returns the host as it is to be used until
// unlock; locking that one again costs nothing and waits for nobody, so that a
// program can hold one lock over several calls that lock by themselves. It fails
// with a [*LockedError] when the wait is over, with the context's error, or with
// fs.ErrPermission.
func (h *Host) Lock(ctx context.Context, w Waiting) (held *Host, unlock func(), err error) {
	if h.held != nil && h.held.Load() {
		return h, func() {}, nil
	}
	release, err := w.lock(ctx, h.Files)
	if err != nil {
		return nil, nil, err
	}
	mine := *h
	mine.held = &atomic.Bool{}
	mine.held.Store(true)
	return &mine, func() {
		if mine.held.CompareAndSwap(true, false) {
			release()
		}
	}, nil
}

func (w Waiting) lock(ctx context.Context, files Files) (release func(), err error) {
	patience, silence := w.Patience, w.Silence
	if patience == 0 {
		patience = time.Minute
	}
	if silence == 0 {
		silence = time.Second
	}
	over, tell := time.After(patience), time.After(silence)
	again := time.NewTicker(interval)
	defer again.Stop()
	for {
		release, err := files.Lock(LockFile)
		var locked *LockedError
		if !errors.As(err, &locked) {
			return release, err
		}
		select {
		case <-again.C:
		case <-tell:
			if w.Told != nil {
				w.Told(locked.Holder())
			}
		case <-over:
			return nil, &LockedError{PID: locked.PID, After: patience}
		case <-ctx.Done():
			return nil, fmt.Errorf("while waiting for %s: %w", locked.Holder(), ctx.Err())
		}
	}
}
