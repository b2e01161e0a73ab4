package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A namespace is one that only some threads of the process are in, kept alive by
// its file, which is closed when nothing refers to it any more.
type namespace struct {
	kind string // its name in /proc/PID/ns
	link string // what that links to, "net:[4026531840]"
	flag int    // for setns(2)
	file *os.File
}

// namespaces are those to enter for a call, in this order.
type namespaces []namespace

// ownNamespaces opens the calling thread's network and mount namespace, as far as
// not every thread of the process is in them: where it is, as in most programs,
// there is nothing to enter.
func ownNamespaces() (namespaces, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("the threads' namespaces: %w", err)
	}
	var own namespaces
	for _, n := range []namespace{{kind: "net", flag: unix.CLONE_NEWNET}, {kind: "mnt", flag: unix.CLONE_NEWNS}} {
		name := "/proc/thread-self/ns/" + n.kind
		if n.link, err = os.Readlink(name); err != nil {
			return nil, fmt.Errorf("the thread's namespaces: %w", err)
		}
		common, err := n.hasEvery(threads)
		if err != nil {
			return nil, fmt.Errorf("the threads' namespaces: %w", err)
		}
		if common {
			continue
		}
		if n.file, err = os.Open(name); err != nil {
			return nil, fmt.Errorf("the thread's namespaces: %w", err)
		}
		own = append(own, n)
	}
	return own, nil
}

// hasEvery tells whether all these threads of the process are in the namespace. A
// goroutine may run on any of them that no other has locked, and a new thread
// starts in the namespaces of one that nobody has changed.
func (n namespace) hasEvery(threads []os.DirEntry) (bool, error) {
	for _, t := range threads {
		link, err := os.Readlink("/proc/self/task/" + t.Name() + "/ns/" + n.kind)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil || link != n.link {
			return false, err
		}
	}
	return len(threads) > 0, nil
}

// do calls f inside the namespaces: on the thread that it is called on where that
// is in them, else on one of its own.
func (own namespaces) do(f func() error) error {
	if done, err := own.here(f); done {
		return err
	}
	return OnThread(func() error {
		if err := own.enter(); err != nil {
			return err
		}
		return f()
	})
}

// here calls f, and tells so, where the calling thread is in the namespaces.
func (own namespaces) here(f func() error) (done bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !own.inside() {
		return false, nil
	}
	return true, f()
}

func (own namespaces) inside() bool {
	for _, n := range own {
		if link, err := os.Readlink("/proc/thread-self/ns/" + n.kind); err != nil || link != n.link {
			return false
		}
	}
	return true
}

// enter moves the calling thread.
func (own namespaces) enter() error {
	for _, n := range own {
		if n.flag == unix.CLONE_NEWNS { // it is entered by one who shares no root and folder, setns(2)
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return os.NewSyscallError("unshare", err)
			}
		}
		err := unix.Setns(int(n.file.Fd()), n.flag)
		runtime.KeepAlive(n.file)
		if err != nil {
			return fmt.Errorf("entering the namespace %s: %w", n.link, os.NewSyscallError("setns", err))
		}
	}
	return nil
}

// OnThread calls f on a thread of its own, which ends with it: whatever f does to
// the thread is gone afterwards. The process's first thread is left out, since
// /proc/self and /proc/net mean that one to everybody.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- OnThread(f)
			runtime.UnlockOSThread()
			return
		}
		finished := false
		defer func() { // f called runtime.Goexit, as t.FailNow does
			if !finished {
				done <- errors.New("the function ended its goroutine, as t.Fatal does")
			}
		}()
		err := f()
		finished = true
		done <- err
	}() // never unlocked: the thread ends with the goroutine
	return <-done
}
