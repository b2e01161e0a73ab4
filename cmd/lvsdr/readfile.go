package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxConfig bounds a configuration: a hundred services of a thousand real servers
// each take half of it.
const maxConfig = 16 << 20

// readRegular reads a configuration. What is no regular file is refused without
// waiting for a writer (a FIFO) and without an end (/dev/zero), and so is what no
// configuration can be.
func readRegular(name string) ([]byte, error) {
	refuse := func(reason string) ([]byte, error) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New(reason)}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return refuse("it is a directory, and a file is wanted")
	case !info.Mode().IsRegular():
		return refuse("it is no regular file: a pipe or a device cannot be read again at boot")
	}
	return readBounded(f, name)
}

// readBounded reads what is no larger than a configuration may be.
func readBounded(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		return nil, &fs.PathError{Op: "read", Path: name,
			Err: fmt.Errorf("it is larger than %d MB, the most that a configuration may have", maxConfig>>20)}
	}
	return data, err
}
