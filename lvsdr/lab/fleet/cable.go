//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// nextMAC is the address of the host that is added next: locally administered, the same
// at every boot, and another in a guest, whose LAN may be joined to that of a fleet
// outside.
func (f *Fleet) nextMAC() net.HardwareAddr {
	n := len(f.machines) + len(f.clients) + 1
	mac := net.HardwareAddr{2, 0, 0, 0xf1, byte(n >> 8), byte(n)}
	if f.guest {
		mac[2] = 1
	}
	return mac
}

// cable makes a network namespace whose eth0 is plugged into the LAN.
func (f *Fleet) cable(ctx context.Context, name string, mac net.HardwareAddr) error {
	f.keeper.run(ctx, "ip", "netns", "del", name) // there is none at the first time
	const script = `set -e
ip netns add "$1"
ip link add "v-$1" type veth peer name eth0 address "$2" netns "$1"
ip link set "v-$1" master lan up`
	_, err := f.keeper.run(ctx, "sh", "-c", script, "sh", name, mac.String())
	return err
}

// Tap plugs a cable into the LAN whose other end is for the network card of a guest: a
// file that gives and takes a frame with each read and write
// (Documentation/networking/tuntap.rst). The cable goes with the file, which is the
// caller's to close.
func (f *Fleet) Tap(ctx context.Context, name string) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.free(name)
	var tap *os.File
	if err == nil {
		tap, err = f.tap("v-" + name)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: a cable for %s: %w", name, err)
	}
	if _, err := f.keeper.run(ctx, "ip", "link", "set", "v-"+name, "master", "lan", "up"); err != nil {
		return nil, errors.Join(err, tap.Close())
	}
	return tap, nil
}

// tap makes the device, without offloads: frames are whole and their checksums right.
func (f *Fleet) tap(name string) (tap *os.File, err error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	err = linux.OnThread(func() error {
		lan, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", f.keeper.keeper.Process.Pid))
		if err != nil {
			return err
		}
		defer lan.Close()
		if err := unix.Setns(int(lan.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		tap = os.NewFile(uintptr(fd), name)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			return errors.Join(fmt.Errorf("/dev/net/tun: %w", err), tap.Close())
		}
		return nil
	})
	return tap, err
}

// Uplink plugs a network card of this guest into the LAN of a fleet that has no hosts
// yet. What is at the card's other end then belongs to the LAN: with [Fleet.Tap] another
// fleet's hosts.
func (f *Fleet) Uplink(ctx context.Context, card string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.machines)+len(f.clients) > 0 {
		return errors.New("fleet: an uplink comes before the hosts: they get other MAC addresses")
	}
	keeper := strconv.Itoa(f.keeper.keeper.Process.Pid)
	if _, err := output(exec.CommandContext(ctx, "ip", "link", "set", card, "netns", keeper, "name", "uplink")); err != nil {
		return fmt.Errorf("fleet: the uplink: %w", err)
	}
	if _, err := f.keeper.run(ctx, "ip", "link", "set", "uplink", "master", "lan", "up"); err != nil {
		return fmt.Errorf("fleet: the uplink: %w", err)
	}
	f.guest = true
	return nil
}
