//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// A Feature is something of the machine that a test may need. Its name is the one
// in LVSDR_TEST_REQUIRE.
type Feature string

// The features.
const (
	Netns      Feature = "netns"      // leave to make network and mount namespaces
	IPVS       Feature = "ipvs"       // a kernel with IPVS
	NFT        Feature = "nft"        // a kernel with nftables for IP, and nft(8)
	IPTables   Feature = "iptables"   // a kernel with iptables, and iptables-legacy(8)
	Ipvsadm    Feature = "ipvsadm"    // ipvsadm(8)
	Keepalived Feature = "keepalived" // keepalived(8)
	Ansible    Feature = "ansible"    // ansible-playbook(1)
	Guest      Feature = "guest"      // inside umlexec's guest, where nothing can be broken
	Qemu       Feature = "qemu"       // outside a guest: umlexec on PATH, and LVSDR_QEMU_KERNEL for it
	Fleet      Feature = "fleet"      // machines with systemd (package fleet): LVSDR_FLEET names the folder of their trees
)

// TB is what [Need] uses of a [testing.TB].
type TB interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// Need skips the test, saying why, when the machine lacks one of the features. It
// fails it instead when the environment variable LVSDR_TEST_REQUIRE, a list with
// commas, names that feature: so CI cannot pass by skipping.
func Need(t TB, features ...Feature) {
	t.Helper()
	required := strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ",")
	for _, f := range features {
		err := f.Missing()
		if err == nil {
			continue
		}
		if slices.Contains(required, string(f)) {
			t.Fatal(fmt.Sprintf("LVSDR_TEST_REQUIRE names %s: %v", f, err))
		}
		t.Skip(fmt.Sprintf("needs %s: %v", f, err))
	}
}

// Missing returns nil when the machine has the feature, or what is missing. It
// finds out once. Asking for IPVS makes the kernel load ip_vs.
func (f Feature) Missing() error {
	check, ok := features[f]
	if !ok {
		return fmt.Errorf("there is no feature %q", string(f))
	}
	return check()
}

var features = map[Feature]func() error{
	Netns:      sync.OnceValue(missingNetns),
	IPVS:       sync.OnceValue(missingIPVS),
	NFT:        sync.OnceValue(func() error { return missingFilter("nft", "add", "table", "inet", "lvsdr-probe") }),
	IPTables:   sync.OnceValue(func() error { return missingFilter("iptables-legacy", "-w", "-S") }),
	Ipvsadm:    sync.OnceValue(func() error { return missingProgram("ipvsadm") }),
	Keepalived: sync.OnceValue(func() error { return missingProgram("keepalived") }),
	Ansible:    sync.OnceValue(func() error { return missingProgram("ansible-playbook") }),
	Fleet: func() error {
		if os.Getenv("LVSDR_FLEET") == "" {
			return errors.New("LVSDR_FLEET names no folder for the machines' trees")
		}
		return fleet.Missing()
	},
	Qemu: func() error {
		if os.Getenv("LVSDR_QEMU_KERNEL") == "" {
			return errors.New("LVSDR_QEMU_KERNEL names no kernel for umlexec")
		}
		return missingProgram("umlexec")
	},
	Guest: func() error {
		if os.Getenv("LVSDR_TEST_GUEST") != "1" {
			return errors.New("not inside the guest (go test -exec umlexec)")
		}
		return nil
	},
}

// inScratch calls f in namespaces that end with it.
func inScratch(f func() error) error {
	return linux.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("making namespaces takes root, or a user namespace (go test -exec 'unshare -Urn'): %w", err)
		}
		return f()
	})
}

func missingNetns() error { return inScratch(func() error { return nil }) }

// missingIPVS asks for the generic netlink family, which makes the kernel load
// ip_vs if it has it.
func missingIPVS() error {
	_, err := netlink.GenlFamilyGet("IPVS")
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("this kernel has no IPVS (go test -exec umlexec)")
	}
	return err
}

// missingFilter tries a packet filter's program on a network of its own.
func missingFilter(name string, args ...string) error {
	if err := missingProgram(name); err != nil {
		return err
	}
	return inScratch(func() error {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "XTABLES_LOCKFILE=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("this kernel lacks it: %s: %w: %s", cmd, err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

func missingProgram(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%w (is it installed? sbin on PATH?)", err)
	}
	return nil
}
