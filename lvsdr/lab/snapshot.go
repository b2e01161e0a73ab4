//go:build linux

package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Snapshot is the state of a host as sorted lines of text, each naming the part
// it is of. Two of one host are equal byte for byte when nothing on it changed.
type Snapshot string

// Diff returns the lines that differ, marked "-" for those of s and "+" for those
// of later; none when the two are equal.
func (s Snapshot) Diff(later Snapshot) []string {
	before, after := strings.Split(string(s), "\n"), strings.Split(string(later), "\n")
	var diff []string
	for _, line := range before {
		if !slices.Contains(after, line) {
			diff = append(diff, "- "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			diff = append(diff, "+ "+line)
		}
	}
	if len(diff) == 0 && s != later {
		diff = append(diff, "the same lines in another number or order")
	}
	return diff
}

// Snapshot returns the host's state: links, addresses, routes of all tables,
// routing rules, permanent neighbours, the sysctls of IP, IPVS and connection
// tracking, the packet filter's rules, the IPVS table and timeouts, and every file of
// /etc, /var/lib and /run with its mode, owner and content's hash.
//
// Left out is what changes by itself (counters, lifetimes, learnt neighbours,
// secrets) and what is the kernel's, not the host's: iptables' empty tables, which
// appear with the first look at them, and its lock file. Sysctls of a module appear
// when any host loads it: ask [IPVS].Missing() first where ip_vs may be loaded
// between two snapshots.
func (h *Host) Snapshot(ctx context.Context) (Snapshot, error) {
	var lines []string
	add := func(part string, found []string, err error) error {
		if err != nil {
			return fmt.Errorf("snapshot of %s: %s: %w", h.Name, part, err)
		}
		for _, l := range found {
			lines = append(lines, part+" "+l)
		}
		return nil
	}
	err := h.Do(func() error {
		for _, p := range []struct {
			part string
			read func() ([]string, error)
		}{
			{"link", linkLines}, {"address", addressLines}, {"route", routeLines},
			{"rule", ruleLines}, {"neighbour", neighbourLines},
			{"sysctl", sysctlLines}, {"file", fileLines},
		} {
			found, err := p.read()
			if err := add(p.part, found, err); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, p := range []struct {
		part string
		read func(context.Context) ([]string, error)
	}{{"nftables", h.nftLines}, {"iptables", h.iptablesLines}, {"ipvs", h.ipvsLines}} {
		found, err := p.read(ctx)
		if err := add(p.part, found, err); err != nil {
			return "", err
		}
	}
	return Snapshot(strings.Join(lines, "\n") + "\n"), nil
}

// sysctlRoots are the trees of /proc/sys that are the network namespace's.
var sysctlRoots = []string{"net/ipv4", "net/ipv6", "net/netfilter"}

// volatileSysctl tells keys that change by themselves, with a module, or are secret.
func volatileSysctl(key string) bool {
	switch base := filepath.Base(key); {
	case base == "flush", base == "stable_secret", base == "nf_conntrack_count", base == "nf_conntrack_events",
		strings.HasPrefix(base, "tcp_fastopen"), strings.HasPrefix(base, "nf_conntrack_frag6_"),
		strings.HasSuffix(base, "_congestion_control"), strings.HasPrefix(key, "net/netfilter/nf_log"):
		return true
	}
	return false
}

func sysctlLines() (lines []string, err error) {
	for _, root := range sysctlRoots {
		if lines, err = appendKeys(lines, root); err != nil {
			return nil, err
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// appendKeys appends the keys in a folder of /proc/sys and below it.
func appendKeys(lines []string, folder string) ([]string, error) {
	dir, err := os.Open("/proc/sys/" + folder)
	if errors.Is(err, fs.ErrNotExist) {
		return lines, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		key := folder + "/" + e.Name()
		if e.IsDir() {
			if lines, err = appendKeys(lines, key); err != nil {
				return nil, err
			}
			continue
		}
		if volatileSysctl(key) {
			continue
		}
		value, err := readKey(dir, e.Name())
		if unreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, key+" = "+value)
	}
	return lines, nil
}

// readKey reads a sysctl of a folder. There are hundreds, and in User-Mode Linux a
// system call is dear: os.ReadFile makes twice as many, and Go's scheduler, told of
// each, hands the thread's work to another and back. Reading a sysctl never waits.
func readKey(dir *os.File, name string) (string, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, dir.Fd(), uintptr(unsafe.Pointer(p)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return "", errno
	}
	var value [4096]byte // the kernel gives a key in one piece, of a page at most
	n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&value[0])), uintptr(len(value)))
	unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	if errno != 0 {
		return "", errno
	}
	return strings.TrimSuffix(string(value[:n]), "\n"), nil
}

// unreadable tells the errors of a key that has no value to read.
func unreadable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL)
}

// ownLock is iptables' own, made by any call of it.
const ownLock = "/run/xtables.lock"

func fileLines() (lines []string, err error) {
	for _, root := range privateFolders {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == ownLock {
				return err
			}
			line, err := fileLine(path, d)
			lines = append(lines, line)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func fileLine(path string, d fs.DirEntry) (string, error) {
	info, err := d.Info()
	if err != nil {
		return "", err
	}
	owner := ""
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = fmt.Sprintf("%d:%d", st.Uid, st.Gid)
	}
	line := fmt.Sprintf("%s %v %s", path, info.Mode(), owner)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return line + " -> " + target, err
	case info.Mode().IsRegular():
		data, err := os.ReadFile(path)
		return fmt.Sprintf("%s sha256:%x", line, sha256.Sum256(data)), err
	}
	return line, nil
}
