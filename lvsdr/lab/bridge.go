//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// A bridge is the LAN, in namespaces of its own where nothing else is.
type bridge struct {
	ns    *namespaces
	index int
}

// newBridge makes it, and tells by its namespaces, the first new ones, what of the
// machine's sysctls a new host takes over.
func newBridge() (b *bridge, sysctls map[string]string, err error) {
	b = &bridge{}
	b.ns, err = newNamespaces(func() (err error) {
		if sysctls, err = defaults(); err != nil {
			return err
		}
		// The bridge carries frames and takes no part in IP.
		err = writeSysctl("net/ipv6/conf/default/disable_ipv6", "1")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		b.index, err = addBridge()
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("the bridge: %w", err)
	}
	return b, sysctls, nil
}

func addBridge() (int, error) {
	snooping := false // a group's frames go to every port from the first on
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "lan"}, MulticastSnooping: &snooping}
	if err := netlink.LinkAdd(link); err != nil {
		return 0, err
	}
	added, err := netlink.LinkByName("lan")
	if err != nil {
		return 0, err
	}
	return added.Attrs().Index, netlink.LinkSetUp(added)
}

// plug makes a cable from the bridge's port name to eth0 in the other namespaces.
func (b *bridge) plug(name string, mac net.HardwareAddr, other *namespaces) error {
	return b.ns.do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MasterIndex, attrs.Flags = name, b.index, net.FlagUp
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac,
			PeerNamespace: netlink.NsFd(int(other.net.Fd())),
		})
	})
}

func (b *bridge) close() error { return b.ns.close() }

// writeSysctl writes a key of the calling thread's network namespace.
func writeSysctl(key, value string) error {
	return os.WriteFile("/proc/sys/"+key, []byte(value), 0o644)
}
