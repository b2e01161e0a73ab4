//go:build linux

package fleet

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// A Network is who gives eth0 its address.
type Network string

// The network managers of the tree.
const (
	Ifupdown       Network = "ifupdown"
	Networkd       Network = "networkd"
	Netplan        Network = "netplan" // rendered for networkd
	NetworkManager Network = "NetworkManager"
	// CloudInit is ifupdown with what cloud-init renders for it of [Machine.Seed].
	CloudInit Network = "cloud-init"
)

// Networks are those that need no seed.
var Networks = []Network{Ifupdown, Networkd, Netplan, NetworkManager}

type file struct {
	name, text string
	perm       fs.FileMode
}

// network writes the manager's file and has it start at boot.
func (m *Machine) network(ctx context.Context, kind Network) error {
	if kind == CloudInit {
		text := "source /etc/network/interfaces.d/*\n"
		if err := m.WriteFile("/etc/network/interfaces", []byte(text), 0o644); err != nil {
			return err
		}
		return m.Enable(ctx, "networking")
	}
	files := map[Network]file{
		Ifupdown: {"/etc/network/interfaces",
			"auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n\taddress %s\n", 0o644},
		Networkd: {"/etc/systemd/network/10-eth0.network",
			"[Match]\nName=eth0\n\n[Network]\nAddress=%s\n", 0o644},
		Netplan: {"/etc/netplan/01-eth0.yaml",
			"network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    eth0:\n      addresses: [%s]\n", 0o600},
		NetworkManager: {"/etc/NetworkManager/system-connections/eth0.nmconnection",
			"[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=manual\naddress1=%s\n\n[ipv6]\nmethod=link-local\n", 0o600},
	}
	f, ok := files[kind]
	if !ok {
		return fmt.Errorf("there is no network manager %q: %v", kind, Networks)
	}
	if err := m.WriteFile(f.name, []byte(fmt.Sprintf(f.text, m.Address)), f.perm); err != nil {
		return err
	}
	switch kind {
	case Ifupdown:
		return m.Enable(ctx, "networking")
	case NetworkManager:
		// Debian's own file keeps it off virtual interfaces; udev does not run in a container.
		if err := os.Remove(m.Path("/usr/lib/NetworkManager/conf.d/10-globally-managed-devices.conf")); err != nil && !os.IsNotExist(err) {
			return err
		}
		conf := "[main]\nplugins=keyfile\n\n[keyfile]\nunmanaged-devices=none\n"
		if err := m.WriteFile("/etc/NetworkManager/NetworkManager.conf", []byte(conf), 0o644); err != nil {
			return err
		}
		return m.Enable(ctx, "NetworkManager")
	}
	return m.Enable(ctx, "systemd-networkd")
}
