package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Lock takes a lock by flock(2), which needs no more than the right to read: nobody
// but the owner may open the file.
func (f OSFiles) Lock(name string) (unlock func(), err error) {
	path, err := f.resolve(name, false)
	if err != nil {
		return nil, err
	}
	for {
		file, err := openLock(path)
		if err != nil {
			return nil, err
		}
		mine, err := tryLock(file)
		if err == nil && mine {
			// Who cannot read the number still waits correctly.
			_ = file.Truncate(0)
			_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			return func() {
				os.Remove(path)
				os.Remove(filepath.Dir(path)) // fails while something else is in it
				file.Close()
			}, nil
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
}

// openLock makes the folder too, and again if the last holder removes it in
// between: then making it fails with "exists", or the file has no folder.
func openLock(path string) (file *os.File, err error) {
	for range 100 {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return file, err
}

// tryLock locks the file, or fails with a [*host.LockedError]. The lock is not mine
// when it is worth nothing and is to be tried again: when the last holder, who
// removes the file before letting go, has taken the name away, and when others may
// open the file, as those of older versions could be. Such a file goes.
func tryLock(file *os.File) (mine bool, err error) {
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, lockedBy(file)
	}
	if err != nil {
		return false, &fs.PathError{Op: "lock", Path: file.Name(), Err: err}
	}
	return usable(file)
}

// lockedBy is who has the lock, nil when it was somebody who has no right to it and
// has been deprived of it: a user who may not write the file, and had opened it while
// all could.
func lockedBy(file *os.File) error {
	holder, err := flockHolder(file)
	if err != nil || holder == 0 {
		return &host.LockedError{}
	}
	open, err := openToOthers(file)
	if err == nil && open && isStranger(file, holder) {
		return removeNamed(file)
	}
	// Only who took it with Lock has written its number into it.
	written := make([]byte, 32)
	n, _ := file.ReadAt(written, 0)
	if strings.TrimSpace(string(written[:n])) != strconv.Itoa(holder) {
		holder = 0
	}
	return &host.LockedError{PID: holder}
}

// isStranger tells whether the process runs as neither root, this process' user nor
// the file's owner.
func isStranger(file *os.File, pid int) bool {
	var process, own unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d", pid), &process) != nil || unix.Fstat(int(file.Fd()), &own) != nil {
		return false
	}
	return process.Uid != 0 && process.Uid != own.Uid && process.Uid != uint32(os.Geteuid())
}

// flockHolder finds the process that has the file locked in /proc/locks (proc(5)), 0
// when it is not told there, as when it lives in another PID namespace.
func flockHolder(file *os.File) (pid int, err error) {
	name, err := nameInLocks(file)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		// 1: FLOCK  ADVISORY  WRITE 1234 00:17:5678 0 EOF; those who wait have "->"
		words := strings.Fields(line)
		if len(words) >= 6 && words[1] == "FLOCK" && words[5] == name {
			return strconv.Atoi(words[4])
		}
	}
	return 0, nil
}

// nameInLocks is what /proc/locks calls the file, "00:17:5678". Its device and inode
// are not always those of stat(2): overlayfs and btrfs tell other ones there. So the
// kernel is asked, by a lock of our own that excludes nobody's flock(2).
func nameInLocks(file *os.File) (string, error) {
	mine := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &mine); err != nil {
		return "", err
	}
	defer func() {
		mine.Type = unix.F_UNLCK
		_ = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &mine) // closing the file would do too
	}()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", file.Fd()))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// lock:	1: OFDLCK ADVISORY  READ -1 00:17:5678 0 EOF
		words := strings.Fields(line)
		if len(words) >= 7 && words[0] == "lock:" && words[2] == "OFDLCK" {
			return words[6], nil
		}
	}
	return "", fs.ErrNotExist
}
