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
// managers is enabled, nor is keepalived.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "iproute2", "iputils-ping", "curl", "ca-certificates",
	"nftables", "iptables", "firewalld", "ufw", "network-manager", "ifupdown", "netplan.io", "nginx-light",
	"keepalived", "ipvsadm",
}

// further are those of one suite alone: Debian 13's cloud-init conflicts with its
// firewalld.
var further = map[string][]string{Debian12: {"cloud-init", "rpm"}}

// idle are the units that Debian enables and a fleet does not: each machine enables
// its own, and none fetches anything by itself.
const idle = "firewalld ufw nftables NetworkManager networking systemd-networkd keepalived ipvsadm " +
	"cloud-init-local cloud-init cloud-config cloud-final apt-daily.timer apt-daily-upgrade.timer"

// mirror makes the folder from which a machine can install apache2 without a network
// (sources.list(5): file:), and has apt know of nothing else.
const mirror = `set -e
mkdir -p "$1/var/local/apt/partial"
chroot "$1" apt-get -qq --download-only -o Dir::Cache::archives=/var/local/apt install apache2 >/dev/null
cd "$1/var/local/apt"
rm -rf lock partial
for deb in *.deb; do
	dpkg-deb -f "$deb"
	echo "Filename: ./$deb"
	echo "Size: $(stat -c %s "$deb")"
	echo "SHA256: $(sha256sum "$deb" | cut -d ' ' -f 1)"
	echo
done >Packages
rm -f "$1"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/var/local/apt ./' >"$1/etc/apt/sources.list"`

// Tree makes a Debian for machines in the folder dir, named after the suite, and
// returns where it is. One that is there already is taken as it is, unless it was made
// otherwise than it would be now. The packages come from mmdebstrap's default mirror;
// it takes some minutes.
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
	made, err := os.ReadFile(tree + ".made")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	how := strings.Join(recipe(suite), "\n")
	if string(made) == how {
		return tree, nil
	}
	if err := debootstrap(ctx, tree, suite); err != nil {
		return "", err
	}
	return tree, os.WriteFile(tree+".made", []byte(how), 0o644)
}

// recipe are the arguments of mmdebstrap that make a tree.
func recipe(suite string) []string {
	return []string{"--quiet", "--variant=minbase",
		"--include=" + strings.Join(slices.Concat(packages, further[suite]), ","),
		`--aptopt=APT::Install-Recommends "false"`, "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/lib/firmware/*",
		`--customize-hook=chroot "$1" systemctl disable ` + idle + ` >/dev/null 2>&1 || :`,
		`--customize-hook=[ ! -d "$1/etc/cloud" ] || touch "$1/etc/cloud/cloud-init.disabled"`, // Machine.Seed removes it
		"--customize-hook=" + mirror, suite}
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
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(recipe(suite), unfinished)...)
	cmd.Env = append(os.Environ(), "PATH="+sbin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fleet: making Debian %s: %w: %s", suite, err, tail(string(out), 2000))
	}
	if err := errors.Join(os.RemoveAll(tree+".made"), os.RemoveAll(tree)); err != nil {
		return err
	}
	return os.Rename(unfinished, tree)
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
