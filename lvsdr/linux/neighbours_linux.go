package linux

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// neighbourStates are the names of ip-neighbour(8).
var neighbourStates = map[int]string{
	netlink.NUD_NONE: "NONE", netlink.NUD_INCOMPLETE: "INCOMPLETE", netlink.NUD_REACHABLE: "REACHABLE",
	netlink.NUD_STALE: "STALE", netlink.NUD_DELAY: "DELAY", netlink.NUD_PROBE: "PROBE", netlink.NUD_FAILED: "FAILED",
	netlink.NUD_NOARP: "NOARP", netlink.NUD_PERMANENT: "PERMANENT",
}

// Neighbours implements [host.Observer].
func (linuxObserver) Neighbours(ctx context.Context) ([]host.Neighbour, error) {
	links, err := linuxLinks{}.Links(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Index] = l.Name
	}
	var all []host.Neighbour
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		found, err := dump(ctx, func() ([]netlink.Neigh, error) { return netlink.NeighList(0, family) })
		if err != nil {
			return nil, fmt.Errorf("list neighbours: %w", err)
		}
		for _, n := range found {
			addr, ok := netip.AddrFromSlice(n.IP)
			state, known := neighbourStates[n.State]
			if !ok || !known {
				continue
			}
			all = append(all, host.Neighbour{Addr: addr.Unmap(), Link: names[n.LinkIndex], MAC: n.HardwareAddr, State: state})
		}
	}
	return all, nil
}
