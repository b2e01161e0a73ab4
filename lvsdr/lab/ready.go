//go:build linux

package lab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ready waits until every host's link carries frames, and its IPv6 addresses are
// in use: the kernel tells a cable's two ends and the bridge of each other, and
// routes an IPv6 address, a little later.
func (l *Lab) ready(ctx context.Context) error {
	for _, h := range l.Hosts() {
		for {
			up, err := h.linkUp()
			if err != nil {
				return err
			}
			if up {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for the link of %s: %w", h.Name, ctx.Err())
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

func (h *Host) linkUp() (up bool, err error) {
	err = h.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			up = link.Attrs().OperState == netlink.OperUp
		}
		if err != nil || !up {
			return err
		}
		up, err = addressesInUse(link)
		return err
	})
	return up, err
}

// addressesInUse tells whether the local table has the link's IPv6 addresses.
func addressesInUse(link netlink.Link) (bool, error) {
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		return false, err
	}
	local, err := netlink.RouteListFiltered(netlink.FAMILY_V6,
		&netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
	if err != nil {
		return false, err
	}
	for _, a := range addresses {
		used := func(r netlink.Route) bool { return r.Dst != nil && r.Dst.IP.Equal(a.IP) }
		if !slices.ContainsFunc(local, used) {
			return false, nil
		}
	}
	return true, nil
}
