package linux

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxRead bounds what is read of one file. A unit with a hundred services of a
// hundred real servers on its command line takes a quarter of it.
const maxRead = 1 << 20

var (
	errIrregular = errors.New("it is no regular file")
	errTooLarge  = fmt.Errorf("it is larger than %d MB", maxRead>>20)
)

// readRegular reads a file whose name somebody else may have made. It waits for
// nobody (a FIFO, a lease, /proc/kmsg), opens no device (opening alone may rewind a
// tape or start a watchdog), and comes to an end (/dev/zero).
func readRegular(name string) ([]byte, error) {
	data, err := readBounded(name)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

func readBounded(name string) ([]byte, error) {
	return readBoundedBy(
		func(st *unix.Stat_t) error { return unix.Stat(name, st) },
		func(flags int) (int, error) { return unix.Open(name, flags, 0) },
	)
}

// readBoundedBy reads what stat and open find under the same name.
func readBoundedBy(stat func(*unix.Stat_t) error, open func(flags int) (int, error)) ([]byte, error) {
	var st unix.Stat_t
	if err := restarted(func() error { return stat(&st) }); err != nil {
		return nil, err
	}
	if err := regular(&st); err != nil {
		return nil, err
	}
	// The runtime's poller would wait for what os.OpenFile opens with O_NONBLOCK.
	fd := -1
	err := restarted(func() (err error) {
		fd, err = open(unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil { // it may be another one by now
		return nil, err
	}
	if err := regular(&st); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	data.Grow(int(min(st.Size, maxRead)) + bytes.MinRead) // what /proc and /sys hold has no size
	_, err = data.ReadFrom(io.LimitReader(rawReader(fd), maxRead+1))
	if err == nil && data.Len() > maxRead {
		return nil, errTooLarge
	}
	return data.Bytes(), err
}

func regular(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return unix.EISDIR
	}
	return errIrregular
}

// rawReader reads a descriptor without the runtime's poller.
type rawReader int

func (fd rawReader) Read(p []byte) (n int, err error) {
	err = restarted(func() (err error) {
		n, err = unix.Read(int(fd), p)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// restarted makes a system call again that a signal has interrupted.
func restarted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// syncDir puts a directory's names on the disk: without it a file that is there, with
// its content, may have no name after the power has failed (fsync(2)). A filesystem
// that cannot says EINVAL. It is a variable so that a test can count.
var syncDir = func(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
