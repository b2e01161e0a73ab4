package lvsdr

import (
	"net/netip"
	"slices"
)

// vips returns the VIPs of c, each once, in the configuration's order.
func (c Config) vips() []netip.Addr {
	var all []netip.Addr
	for _, s := range c.Services {
		if !slices.Contains(all, s.VIP) {
			all = append(all, s.VIP)
		}
	}
	return all
}
