//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// namespaces are those of one host, kept alive by their files: no process is needed.
type namespaces struct {
	net, mnt, uts *os.File
}

// The kinds of namespaces a host has, in the order in which they are entered.
const hostNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWNS

// newNamespaces makes namespaces and calls setUp in them.
func newNamespaces(setUp func() error) (*namespaces, error) {
	ns := &namespaces{}
	err := linux.OnThread(func() (err error) {
		if err := unix.Unshare(hostNamespaces); err != nil {
			return fmt.Errorf("making namespaces (it takes root, or a user namespace: unshare -Urn): %w", err)
		}
		if err := ns.open(); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("making the mounts private: %w", err)
		}
		return setUp()
	})
	if err != nil {
		return nil, errors.Join(err, ns.close())
	}
	return ns, nil
}

// open opens the calling thread's namespaces.
func (ns *namespaces) open() (err error) {
	for name, f := range map[string]**os.File{"net": &ns.net, "mnt": &ns.mnt, "uts": &ns.uts} {
		if *f, err = os.Open("/proc/thread-self/ns/" + name); err != nil {
			return err
		}
	}
	return nil
}

// do calls f on a thread inside the namespaces.
func (ns *namespaces) do(f func() error) error {
	wd, _ := os.Getwd()
	return linux.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // a mount namespace is entered alone
			return fmt.Errorf("lab: leaving the process's root: %w", err)
		}
		for _, n := range []struct {
			file *os.File
			kind int
		}{{ns.net, unix.CLONE_NEWNET}, {ns.uts, unix.CLONE_NEWUTS}, {ns.mnt, unix.CLONE_NEWNS}} {
			if err := unix.Setns(int(n.file.Fd()), n.kind); err != nil {
				return fmt.Errorf("lab: entering a namespace: %w", err)
			}
		}
		unix.Chdir(wd) // the mount namespace put the thread at /; fails for a folder the host has not
		return f()
	})
}

func (ns *namespaces) close() error {
	var errs []error
	for _, f := range []*os.File{ns.net, ns.mnt, ns.uts} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
