//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// privateFolders are each host's own.
var privateFolders = []string{"/etc", "/var/lib", "/run"}

// emptyFolders are there on any Debian host, for what is written into them.
var emptyFolders = []string{
	"etc/modules-load.d", "etc/sysctl.d", "etc/systemd/system", "etc/default", "run/lock", "var/lib/misc",
	"work", // overlayfs wants it
}

// privateFiles mounts the host's own folders over the machine's. They are kept in
// memory, mounted in the host's mount namespace only, and end with it.
func privateFiles(of *origin, hostname string) error {
	dir := of.hosts
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mounting memory for its files: %w", err)
	}
	for _, name := range emptyFolders {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"hostname":    hostname + "\n",
		"hosts":       "127.0.0.1 localhost " + hostname + "\n::1 localhost\n",
		"resolv.conf": "", // there is no name server in a lab
	} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := of.mountEtc(filepath.Join(dir, "etc"), filepath.Join(dir, "work")); err != nil {
		return fmt.Errorf("its /etc: %w", err)
	}
	for _, folder := range privateFolders[1:] {
		if err := unix.Mount(dir+folder, folder, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting its %s: %w", folder, err)
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
