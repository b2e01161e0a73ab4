//go:build linux

package fleet

import (
	"context"
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

// The suites of Debian that are known to work.
const (
	Debian12 = "bookworm" // systemd 252, firewalld 1.3, NetworkManager 1.42
	Debian13 = "trixie"   // systemd 257, firewalld 2.3, NetworkManager 1.52
)

// Suites are those of this package.
var Suites = []string{Debian12, Debian13}

// packages are what every machine has installed. None of the firewalls and network
// managers is enabled.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "iproute2", "iputils-ping", "curl", "ca-certificates",
	"nftables", "iptables", "firewalld", "ufw", "network-manager", "ifupdown", "netplan.io", "nginx-light",
}

// idle are the units that Debian enables and a fleet does not: each machine enables
// its own, and none fetches anything by itself.
const idle = "firewalld ufw nftables NetworkManager networking systemd-networkd apt-daily.timer apt-daily-upgrade.timer"

// Tree makes a Debian for machines in the folder dir, named after the suite, and
// returns where it is. One that is there already is taken as it is: remove the folder
// to have it made anew. The packages come from mmdebstrap's default mirror; it takes
// some minutes.
func Tree(ctx context.Context, dir, suite string) (string, error) {
	if !slices.Contains(Suites, suite) {
		return "", fmt.Errorf("fleet: there is no suite %q: %s", suite, strings.Join(Suites, ", "))
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, suite+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	tree := filepath.Join(dir, suite)
	if _, err := os.Stat(tree); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return tree, err
	}
	return tree, debootstrap(ctx, tree, suite)
}

// lock waits for others that make the same tree.
func lock(name string) (unlock func() error, err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// debootstrap makes the tree beside its place and moves it there when it is whole.
func debootstrap(ctx context.Context, tree, suite string) error {
	unfinished := tree + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--quiet", "--variant=minbase",
		"--include="+strings.Join(packages, ","),
		`--aptopt=APT::Install-Recommends "false"`, "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/lib/firmware/*",
		`--customize-hook=chroot "$1" systemctl disable `+idle+` >/dev/null 2>&1 || :`,
		suite, unfinished)
	cmd.Env = append(os.Environ(), "PATH="+sbin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fleet: making Debian %s: %w: %s", suite, err, tail(string(out), 2000))
	}
	return os.Rename(unfinished, tree)
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
