package lvsdr

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// That a director's VIP was announced cannot be seen on the host. The ledger keeps
// under "vip announce 10.10.10.22", from before the VIP is there, that its
// neighbours are still to be told: a set-up killed in between is made good by the
// next one.

const announceKeyPrefix = vipKeyPrefix + "announce "

func announceKey(vip netip.Addr) string { return announceKeyPrefix + vip.String() }

// announcements are those that one plan owes.
type announcements struct {
	host   *Host
	ledger ledger
	keys   map[string]bool // in the ledger
	owed   int
}

// owe has a VIP be announced, and returns how.
func (a *announcements) owe(vip netip.Addr, link string) func(context.Context) error {
	a.keys[announceKey(vip)] = true
	a.owed++
	done := false
	return func(ctx context.Context) error {
		if err := a.host.Links.Announce(ctx, link, vip); err != nil {
			return fmt.Errorf("the VIP is there, but its neighbours could not be told, who may still know another MAC address for it: %w", err)
		}
		if !done {
			done = true
			a.owed--
		}
		if a.owed > 0 {
			return nil // the ledger is written once for all: one too many harms nobody
		}
		return a.ledger.forget(slices.Collect(maps.Keys(a.keys))...)
	}
}

// announce is the change for a VIP that is there but was never announced.
func (a *announcements) announce(vip netip.Addr, link string) Change {
	return Change{
		Step: vipStep{}.Name(), Op: Add, Object: "announcement of " + vip.String() + " on " + link, Do: a.owe(vip, link),
	}
}
