package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Recognise tells what a host looks like that nobody has named, and
// why: it has the table of a director and the VIP on its LAN, or a real server's
// address, or a table, or the VIP on its loopback or on its LAN; otherwise it is a
// client.
func Recognise(ctx context.Context, h *host.Host, c cluster.Config) (role, why string, err error) {
	addresses, err := h.Links.Addresses(ctx)
	if err != nil {
		return "", "", fmt.Errorf("lvsdr: %w", err)
	}
	links, err := h.Links.Links(ctx)
	if err != nil {
		return "", "", fmt.Errorf("lvsdr: %w", err)
	}
	rips, vips := c.RIPs(), c.VIPs()
	// Without the right to read it nothing is known of a table.
	services, err := h.IPVS.Services(ctx, ipvs.Plain)
	balances := err == nil && len(services) > 0
	carries := func(a host.Address) bool {
		return slices.Contains(vips, a.Prefix.Addr()) &&
			!slices.ContainsFunc(links, func(l host.Link) bool { return l.Name == a.Link && (l.Loopback || l.NoARP) })
	}
	// A director may be its own real server; a real server does not carry the VIP on
	// its LAN.
	if i := slices.IndexFunc(addresses, carries); i >= 0 && balances {
		return cluster.DirectorRole, "it has virtual services, and the VIP on " + addresses[i].Link, nil
	}
	for _, a := range addresses {
		if slices.Contains(rips, a.Prefix.Addr()) {
			return cluster.RealServerRole, "it has the real server's address " + a.Prefix.Addr().String(), nil
		}
	}
	if balances {
		return cluster.DirectorRole, "it has virtual services", nil
	}
	for _, a := range addresses {
		if !slices.Contains(vips, a.Prefix.Addr()) {
			continue
		}
		role := cluster.RealServerRole
		if carries(a) {
			role = cluster.DirectorRole
		}
		return role, "it has the VIP on " + a.Link, nil
	}
	return cluster.ClientRole, "it has neither the VIP nor a real server's address; if it is the director, say so", nil
}
