package cluster

import (
	"net/netip"
	"slices"
)

// For is what of the cluster a real server with these addresses takes: the services
// that list one of them, their VIPs and ports, and no others. There are none where no
// service lists any, as a sorry server neither; c as it is then serves a host that somebody has named a real
// server of a description without, or with other, real servers.
func (c Config) For(addresses []netip.Addr) Config {
	lists := func(r RealServer) bool { return slices.Contains(addresses, r.Address) }
	c.Services = slices.DeleteFunc(slices.Clone(c.Services), func(s Service) bool {
		return !slices.ContainsFunc(s.RealServers, lists) && !slices.Contains(addresses, s.SorryServer)
	})
	return c
}

// ListsDirector tells whether one of the addresses is a director's.
func (c Config) ListsDirector(addresses []netip.Addr) bool {
	return slices.ContainsFunc(c.Directors, func(d Director) bool { return slices.Contains(addresses, d.Address) })
}

// Listed returns those of the addresses that a service lists as a real server's, or as
// its sorry server's, in the configuration's order.
func (c Config) Listed(addresses []netip.Addr) []netip.Addr {
	all := c.RIPs()
	for _, sorry := range c.SorryServers() {
		if !slices.Contains(all, sorry) {
			all = append(all, sorry)
		}
	}
	return slices.DeleteFunc(all, func(rip netip.Addr) bool { return !slices.Contains(addresses, rip) })
}
