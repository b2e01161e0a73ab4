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
// why: it has a real server's address, or the table of a director, or the VIP on its
// loopback or on its LAN; otherwise it is a client.
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
	for _, a := range addresses {
		if slices.Contains(rips, a.Prefix.Addr()) {
			return cluster.RealServerRole, "it has the real server's address " + a.Prefix.Addr().String(), nil
		}
	}
	// Without the right to read it nothing is known of a table.
	if services, err := h.IPVS.Services(ctx, ipvs.Plain); err == nil && len(services) > 0 {
		return cluster.DirectorRole, "it has virtual services", nil
	}
	for _, a := range addresses {
		if !slices.Contains(vips, a.Prefix.Addr()) {
			continue
		}
		role := cluster.DirectorRole
		if slices.ContainsFunc(links, func(l host.Link) bool { return l.Name == a.Link && (l.Loopback || l.NoARP) }) {
			role = cluster.RealServerRole
		}
		return role, "it has the VIP on " + a.Link, nil
	}
	return cluster.ClientRole, "it has neither the VIP nor a real server's address; if it is the director, say so", nil
}
