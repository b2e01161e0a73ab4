package linux

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Processes implements [host.Observer].
func (linuxObserver) Processes(ctx context.Context) ([]string, error) {
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	var names []string
	err = eachProcess(ctx, func(pid int) (more bool, err error) {
		ns, err := os.Readlink(procPath(pid, "ns/net"))
		if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
			return false, err // else: root in a container, of whose processes it is none
		}
		if err == nil && ns == own {
			names = append(names, processName(pid))
		}
		return true, nil
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

func procPath(pid int, file string) string { return "/proc/" + strconv.Itoa(pid) + "/" + file }

// eachProcess calls f with every process until it returns false or an error.
func eachProcess(ctx context.Context, f func(pid int) (bool, error)) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if more, err := f(pid); err != nil || !more {
			return err
		}
	}
	return nil
}

// commLength is how much of a name the kernel keeps (TASK_COMM_LEN).
const commLength = 15

// processName is the process's name, in full where the kernel has cut it and the
// command line begins with it.
func processName(pid int) string {
	comm, _ := os.ReadFile(procPath(pid, "comm"))
	name := string(bytes.TrimSpace(comm))
	if len(name) < commLength {
		return name
	}
	line, _ := os.ReadFile(procPath(pid, "cmdline"))
	command, _, _ := bytes.Cut(line, []byte{0})
	if base := filepath.Base(string(command)); len(base) > len(name) && base[:len(name)] == name {
		return base
	}
	return name
}

// tellOwners fills in what only the process that has a socket can tell. It reads
// the names of the open files of every process until all sockets are found; those
// of processes that this one may not look at stay as they are.
func tellOwners(ctx context.Context, wanted map[uint64][]*procSocket) error {
	if len(wanted) == 0 {
		return nil
	}
	return eachProcess(ctx, func(pid int) (bool, error) {
		name := ""
		eachFile(pid, func(fd int, inode uint64) bool {
			for _, s := range wanted[inode] {
				if name == "" {
					name = processName(pid) + "[" + strconv.Itoa(pid) + "]"
				}
				s.Process = name
				s.ask(pid, fd)
			}
			delete(wanted, inode)
			return len(wanted) > 0
		})
		return len(wanted) > 0, nil
	})
}

// eachFile calls f with the sockets among the process's open files.
func eachFile(pid int, f func(fd int, inode uint64) bool) {
	dir, err := os.Open(procPath(pid, "fd"))
	if err != nil {
		return // it has ended, or is none of ours
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var target [64]byte
	for _, name := range names {
		n, err := unix.Readlinkat(int(dir.Fd()), name, target[:])
		if err != nil || n == len(target) {
			continue
		}
		text, ok := bytes.CutPrefix(target[:n], []byte("socket:["))
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(string(bytes.TrimSuffix(text, []byte("]"))), 10, 64)
		fd, err2 := strconv.Atoi(name)
		if err == nil && err2 == nil && !f(fd, inode) {
			return
		}
	}
}

// ask asks the socket itself for its options, through a copy of the process's file
// descriptor (pidfd_getfd(2)), which changes nothing about the socket. Where that
// is not allowed, they stay as they were taken for.
func (s *procSocket) ask(pid, fd int) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(process)
	socket, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return
	}
	defer unix.Close(socket)
	if only, err := unix.GetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); err == nil && s.Addr.Is6() {
		s.Both, s.Unsure = s.Addr.IsUnspecified() && only == 0, false
	}
	if link, err := unix.GetsockoptString(socket, unix.SOL_SOCKET, unix.SO_BINDTODEVICE); err == nil {
		s.Link = link
	}
}
