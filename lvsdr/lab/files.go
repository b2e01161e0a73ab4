//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// privateFolders are each host's own.
var privateFolders = []string{"/etc", "/var/lib", "/run"}

// fromMachine are the patterns of what of the machine's /etc every host gets a copy
// of: what programs need in order to start, and few files, since each costs a host
// a millisecond in User-Mode Linux. The rest of /etc a host has not.
var fromMachine = []string{
	"alternatives/*tables*", "alternatives/awk", "alternatives/nc", "alternatives/pager", "alternatives/which",
	"ethertypes", "group", "gshadow", "host.conf", "iproute2", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"localtime", "login.defs", "modprobe.d", "nsswitch.conf", "os-release", "passwd", "protocols", "services",
	"shadow",
}

// emptyFolders are there on any Debian host, for what is written into them.
var emptyFolders = []string{
	"etc/modules-load.d", "etc/sysctl.d", "etc/systemd/system", "etc/default", "run/lock", "var/lib/misc",
}

// privateFiles mounts the host's own folders over the machine's. They are kept in
// memory, mounted over dir in the host's mount namespace only, and end with it.
func privateFiles(dir, hostname string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mounting memory for its files: %w", err)
	}
	if err := makeEtc(filepath.Join(dir, "etc"), hostname); err != nil {
		return fmt.Errorf("its /etc: %w", err)
	}
	for _, name := range emptyFolders {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for _, folder := range privateFolders {
		if err := unix.Mount(dir+folder, folder, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting its %s: %w", folder, err)
		}
	}
	return nil
}

func makeEtc(etc, hostname string) error {
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return err
	}
	if err := copyFromMachine(etc); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"hostname":    hostname + "\n",
		"hosts":       "127.0.0.1 localhost " + hostname + "\n::1 localhost\n",
		"resolv.conf": "", // there is no name server in a lab
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return chooseIPTables(filepath.Join(etc, "alternatives"))
}

func copyFromMachine(etc string) error {
	if err := os.Mkdir(filepath.Join(etc, "alternatives"), 0o755); err != nil {
		return err
	}
	for _, pattern := range fromMachine {
		names, err := filepath.Glob(filepath.Join("/etc", pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			err := copyTree(name, filepath.Join(etc, strings.TrimPrefix(name, "/etc/")))
			// One that is not for an unprivileged user's eyes is done without.
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return nil
}

// copyTree copies a file, link or folder. Links are copied as links.
func copyTree(from, to string) error {
	info, err := os.Lstat(from)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return copyFolder(from, to, info.Mode().Perm())
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !info.Mode().IsRegular():
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

func copyFolder(from, to string, perm fs.FileMode) error {
	if err := os.Mkdir(to, perm); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyTree(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// chooseIPTables makes iptables the variant that this kernel has: where it knows
// no nftables for IP, the legacy one, as "update-alternatives --set" would.
func chooseIPTables(alternatives string) error {
	if NFT.Missing() == nil {
		return nil
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			legacy, err := exec.LookPath(name + "-legacy" + suffix)
			if err != nil {
				continue
			}
			link := filepath.Join(alternatives, name+suffix)
			if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := os.Symlink(legacy, link); err != nil {
				return err
			}
		}
	}
	return nil
}

// killIn ends every process in the hosts' network namespaces: daemons have left
// their parents, so that only the namespace tells whose they are.
func killIn(hosts []*Host) error {
	var inodes []uint64
	for _, h := range hosts {
		var st unix.Stat_t
		if err := unix.Fstat(int(h.ns.net.Fd()), &st); err != nil {
			return err
		}
		inodes = append(inodes, st.Ino)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, p := range processes {
		var st unix.Stat_t
		if unix.Stat(p+"/ns/net", &st) != nil || !slices.Contains(inodes, st.Ino) {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(strings.TrimPrefix(p, "/proc/"), &pid); err != nil || pid == os.Getpid() {
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
