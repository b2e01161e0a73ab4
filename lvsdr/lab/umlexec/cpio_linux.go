package main

import (
	"fmt"
	"io"
)

// cpioWriter writes the kernel's initramfs format "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpioWriter struct {
	w   io.Writer
	ino int
	err error
}

// add writes one file or folder; an error stays and is found in err.
func (a *cpioWriter) add(name string, mode uint32, data []byte) {
	a.ino++
	head := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.write([]byte(head + name + "\x00"))
	a.pad(len(head) + len(name) + 1)
	a.write(data)
	a.pad(len(data))
}

func (a *cpioWriter) pad(n int) { a.write(make([]byte, (4-n%4)%4)) }

func (a *cpioWriter) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
	}
}
