package linux

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// linuxLinks is the interfaces in the network namespace of the calling thread:
// every call opens its own netlink socket there.
type linuxLinks struct{}

// Links implements [host.Links].
func (linuxLinks) Links(ctx context.Context) ([]host.Link, error) {
	found, err := dump(ctx, netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	links := make([]host.Link, len(found))
	for i, l := range found {
		a := l.Attrs()
		links[i] = host.Link{
			Name:     a.Name,
			Index:    a.Index,
			MAC:      a.HardwareAddr,
			Up:       a.RawFlags&unix.IFF_UP != 0,
			Loopback: a.RawFlags&unix.IFF_LOOPBACK != 0,
			NoARP:    a.RawFlags&unix.IFF_NOARP != 0,
			Carrier:  a.RawFlags&unix.IFF_LOWER_UP != 0,
			MTU:      a.MTU,
			Kind:     kind(l),
		}
	}
	readLRO(links)
	for i, l := range found {
		if at := l.Attrs().MasterIndex; at != 0 {
			m := slices.IndexFunc(links, func(m host.Link) bool { return m.Index == at })
			if m >= 0 && links[m].Kind != "vrf" { // whose ports keep their addresses, and answer for them
				links[i].Master = links[m].Name
			}
		}
	}
	return links, nil
}

// kind is the link's kind, empty for hardware, which netlink calls a device.
func kind(l netlink.Link) string {
	if k := l.Type(); k != "device" {
		return k
	}
	return ""
}

// SetUp implements [host.Links].
func (linuxLinks) SetUp(ctx context.Context, link string, up bool) error {
	l, err := linkByName(ctx, link)
	if err != nil {
		return err
	}
	if up {
		return netlink.LinkSetUp(l)
	}
	return netlink.LinkSetDown(l)
}

// Announce implements [host.Links].
func (linuxLinks) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	l, err := linkByName(ctx, link)
	if err != nil {
		return err
	}
	return probe.Announce(l.Attrs().Index, l.Attrs().HardwareAddr, addrs...)
}

// linkByName fails with fs.ErrNotExist when there is no such interface.
func linkByName(ctx context.Context, name string) (netlink.Link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := netlink.LinkByName(name)
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) || errors.Is(err, unix.ENODEV) {
		return nil, absent{"there is no interface " + name, nil}
	}
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	return l, nil
}

// dump reads a list from the kernel, again when the list changed while it was
// read (NLM_F_DUMP_INTR), a few times.
func dump[T any](ctx context.Context, list func() ([]T, error)) ([]T, error) {
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		all, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) || try == 10 {
			return all, err
		}
	}
}
