package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// cage is process 1 of the namespaces around the guest. It makes the machine's
// files read-only to everything in it but for the job folder, and runs the kernel.
// When it ends, by itself or killed, no process of the guest is left.
func cage() int {
	dir, kernel, mem, out := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	go func() { // the launcher is gone when the lifeline ends
		var b [1]byte
		os.Stdin.Read(b[:])
		os.Exit(exitGuest)
	}()
	if err := closeCage(dir, out); err != nil {
		return fail(exitGuest, err)
	}
	return runKernel(dir, kernel, mem, out)
}

// closeCage changes this mount namespace's mounts only.
func closeCage(dir, out string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	writable := []string{dir}
	if out != "" {
		writable = append(writable, out)
	}
	for _, d := range writable {
		if err := unix.Mount(d, d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("binding %s: %w", d, err)
		}
	}
	err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.12: the guest still mounts it read-only itself
		return mountMemory(dir)
	}
	if err != nil {
		return fmt.Errorf("making the file system read-only: %w", err)
	}
	for _, d := range writable {
		if err := unix.MountSetattr(unix.AT_FDCWD, d, unix.AT_RECURSIVE, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("making %s writable: %w", d, err)
		}
	}
	return mountMemory(dir)
}

// mountMemory mounts what holds the guest's memory: a file that the kernel maps
// executable.
func mountMemory(dir string) error {
	mem := filepath.Join(dir, memDir)
	if err := unix.Mount("tmpfs", mem, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size=100%"); err != nil {
		return fmt.Errorf("mounting the guest's memory: %w", err)
	}
	return nil
}

// runKernel boots the guest and returns when it is off.
func runKernel(dir, kernel, mem, out string) int {
	cmd, err := kernelCommand(dir, kernel, mem, out)
	if err != nil {
		return fail(exitGuest, err)
	}
	cmd.Env = []string{"TMPDIR=" + filepath.Join(dir, memDir), "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if os.Getenv("LVSDR_GUEST_TAP") != "" {
		cmd.ExtraFiles = []*os.File{os.NewFile(tapFD, "tap")}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); err != nil {
		return fail(exitGuest, fmt.Errorf("%s: %w", cmd.Path, err))
	}
	return 0
}

// kernelCommand is the process that is the guest: qemu for a folder with a
// distribution's kernel, else User-Mode Linux itself.
func kernelCommand(dir, kernel, mem, out string) (*exec.Cmd, error) {
	if info, err := os.Stat(kernel); err == nil && info.IsDir() {
		k, err := findDistroKernel(kernel)
		if err != nil {
			return nil, err
		}
		return k.command(dir, mem, out)
	}
	return exec.Command(kernel,
		"mem="+mem, "uml_dir="+filepath.Join(dir, umlDir), "umid=guest",
		"rootfstype=hostfs", "ro", "quiet", "oops=panic",
		"con=null", "con0=null,fd:1", "init="+filepath.Join(dir, initFile),
		stageVar+"=guest", jobVar+"="+dir), nil
}
