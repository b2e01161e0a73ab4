package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// moduleTree is where Debian's user-mode-linux keeps its modules.
const moduleTree = "/usr/lib/uml/modules"

// setUp makes the booted guest a system: a file system whose every change is kept
// in memory, the kernel's own file systems, modules, and the loopback interface.
func setUp(dir string) error {
	share := hostfs
	if inInitramfs() {
		share = plan9
		if err := leaveInitramfs(); err != nil {
			return err
		}
	}
	if err := copyOnWriteRoot(); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=620,ptmxmode=666"},
		{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	} {
		if err := mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return err
		}
	}
	if err := share(jobTag, dir); err != nil {
		return err
	}
	if err := links(); err != nil {
		return err
	}
	var j job
	if err := readJSON(dir, jobFile, &j); err != nil {
		return err
	}
	if j.Out != "" {
		if err := share(outTag, j.Out); err != nil {
			return err
		}
	}
	if err := modules(j.Modules); err != nil {
		return err
	}
	if j.Tap {
		if err := modprobe("virtio_net"); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/core/netdev_max_backlog", []byte(backlog), 0o644); err != nil {
		return err
	}
	return loopbackUp()
}

// backlog is how many frames the one processor may be behind with: what a bridge
// floods to a hundred ports exceeds the kernel's 1000 at once, and is lost at the
// last ports.
const backlog = "100000"

// hostfs mounts one of the machine's folders where User-Mode Linux runs.
func hostfs(_, dir string) error { return mount("none", dir, "hostfs", 0, dir) }

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	return nil
}

// copyOnWriteRoot makes / an overlay: the machine's files below, memory above.
func copyOnWriteRoot() error {
	const stage = "/mnt" // any folder there is: hidden until the root changes
	if err := unix.Mount("tmpfs", stage, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mounting memory: %w", err)
	}
	root := stage + "/root"
	for _, d := range []string{root, stage + "/upper", stage + "/work"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	data := "lowerdir=/,upperdir=" + stage + "/upper,workdir=" + stage + "/work"
	err := unix.Mount("overlay", root, "overlay", 0, data)
	if errors.Is(err, unix.ENODEV) {
		if err := insert("kernel/fs/overlayfs/overlay.ko"); err != nil {
			return err
		}
		err = unix.Mount("overlay", root, "overlay", 0, data)
	}
	if err != nil {
		return fmt.Errorf("mounting an overlay over the root: %w", err)
	}
	return enter(root)
}

// enter makes root the root of this process and of every mount namespace made
// later, as switch_root(8) does: pivot_root refuses the rootfs.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	return os.Chdir("/")
}

// insert loads a module of the kernel's own tree that depends on no other.
func insert(name string) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	return insertFile(filepath.Join(moduleTree, unix.ByteSliceToString(u.Release[:]), name))
}

func insertFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("loading %s: %w", name, err)
	}
	return nil
}

// links makes the device links that udev would (see udev's static nodes).
func links() error {
	for name, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, name); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// modules puts the guest kernel's modules where modprobe looks, and loads IPv6,
// which is a module there and part of every host.
func modules(tree string) error {
	if _, err := os.Stat(tree); err != nil {
		return nil // a kernel with all of it built in
	}
	if err := os.MkdirAll("/lib/modules", 0o755); err != nil {
		return err
	}
	if err := unix.Mount(tree, "/lib/modules", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("binding the modules: %w", err)
	}
	return modprobe("ipv6")
}

func modprobe(name string) error {
	if _, err := os.Stat("/proc/sys/net/" + name); err == nil {
		return nil
	}
	p, err := os.StartProcess("/sbin/modprobe", []string{"modprobe", name}, &os.ProcAttr{Env: []string{"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}})
	if err != nil {
		return fmt.Errorf("loading %s (apt-get install kmod): %w", name, err)
	}
	state, err := p.Wait()
	if err == nil && !state.Success() {
		err = errors.New(strings.TrimSpace("modprobe " + name + ": " + state.String()))
	}
	return err
}

// loopbackUp does what "ip link set lo up" does.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	return nil
}
