package firewall

import (
	"context"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// ARPDropped are the addresses that nftables' family arp keeps silent.
func ARPDropped(ctx context.Context) ([]netip.Addr, error) {
	rules, err := filter.LoadNftables(ctx)
	if err != nil {
		return nil, err
	}
	return rules.ARPDropped(), nil
}
