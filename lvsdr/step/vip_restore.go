package step

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// absent returns the changes that give back every VIP.
//
// Ours is what the ledger names. A VIP of the configuration that is not named was
// there, just as wanted, before set-up and is left alone, even though it looks
// like ours; unless the ledger is lost, for then looks are all there is. Only the
// drop-in of the role's sysctls, which set-up leaves too, tells a lost ledger from
// a host that never was set up. A reboot loses nothing: it takes the addresses
// with the ledger, and the set-up of the boot writes both anew.
func (v *vipView) absent() ([]Change, error) {
	vips := v.remembered()
	if v.lost {
		vips = append(vips, slices.DeleteFunc(without(v.vips, vips), func(vip netip.Addr) bool {
			return !slices.ContainsFunc(v.at[vip], v.marked)
		})...)
		if err := v.unjudged(vips); err != nil {
			return nil, err
		}
	}
	changes, err := v.giveBack(Absent, vips)
	if err != nil {
		return nil, err
	}
	return append(changes, v.demotions()...), nil
}

// unjudged fails with [ErrLedgerLost] when the ledger is lost and an address is left
// that looks like a VIP of ours and is not known to be one: with it on loopback, a real
// server whose sysctls were given back would answer ARP for it. IPv6 has no label, and
// its sysctls stay as they are, so that there a description is believed.
func (v *vipView) unjudged(known []netip.Addr) error {
	var left []host.Address
	for _, a := range v.all {
		ip := a.Prefix.Addr()
		described := len(v.vips) > 0 && (ip.Is6() || v.role == cluster.DirectorRole)
		if !ip.IsLoopback() && v.marked(a) && !slices.Contains(known, ip) && !described {
			left = append(left, a)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("%w (%s): whether %s is to go cannot be told", ErrLedgerLost, v.ledger.name, joinAddresses(left))
}

// giveBack returns the changes that make VIPs what they were before set-up.
// An address whose interface is gone does not come back. One that was the
// primary of its subnet comes back as a secondary when others of the subnet are
// there: to change that would take the host's own addresses away for a moment,
// and with them routes. While the role stays, a VIP that is as before already, by
// a set-up that was broken off, is struck out of the ledger, so that it is not
// taken from who has it next.
func (v *vipView) giveBack(want State, vips []netip.Addr) ([]Change, error) {
	var changes []Change
	for _, vip := range vips {
		before, err := v.before(vip)
		if err != nil {
			return nil, err
		}
		if ours, missing := v.differ(vip, before); len(ours)+len(missing) > 0 || want == Present {
			changes = append(changes, v.giveBackChange(want, vip, ours, missing))
		}
	}
	return changes, nil
}

// differ returns what of a VIP is ours, and what is missing of before.
func (v *vipView) differ(vip netip.Addr, before []host.Address) (ours, missing []host.Address) {
	before = slices.DeleteFunc(before, func(a host.Address) bool {
		_, there := v.linkNamed(a.Link)
		return !there
	})
	has := func(all []host.Address, a host.Address) bool {
		return slices.ContainsFunc(all, func(b host.Address) bool { return sameAddress(a, b) })
	}
	for _, a := range v.at[vip] {
		if v.marked(a) && !has(before, a) {
			ours = append(ours, a)
		}
	}
	for _, a := range before {
		if !has(v.at[vip], a) {
			missing = append(missing, a)
		}
	}
	return ours, missing
}

func (v *vipView) giveBackChange(want State, vip netip.Addr, ours, missing []host.Address) Change {
	change := v.change(want, Remove, joinAddresses(ours), func(ctx context.Context) error {
		err := swap(ctx, v.host.Links, ours, missing)
		if err != nil || want == Absent { // then Role.Down strikes out all lines at once
			return err
		}
		return v.ledger.Forget(vipKey(vip), announceKey(vip))
	})
	if want == Present {
		edit := change.Data.(vipEdit)
		edit.gone = vip
		change.Late, change.Data = true, edit
	}
	switch {
	case len(missing) > 0:
		change.Op, change.Object = Set, vip.String()
		change.From, change.To = joinAddresses(ours), joinAddresses(missing)
	case len(ours) == 0:
		change.Object = "record of " + vip.String()
	}
	return change
}

// marked tells whether an address of a VIP looks like one that the role puts there.
func (v *vipView) marked(a host.Address) bool {
	link, ok := v.linkNamed(a.Link)
	if ok && v.role == cluster.DirectorRole && v.heldHere(a) {
		return true
	}
	if !ok || !a.Prefix.IsSingleIP() || a.Peer.IsValid() || link.Loopback != (v.role == cluster.RealServerRole) {
		return false
	}
	if a.Prefix.Addr().Is4() {
		return a.Label == VIPLabel(a.Link)
	}
	return a.Deprecated || v.role == cluster.RealServerRole
}

// sameAddress compares all but what only the kernel or the clock changes.
func sameAddress(a, b host.Address) bool {
	a.Lifetime, b.Lifetime = 0, 0
	a.DADFailed, b.DADFailed, a.Tentative, b.Tentative = false, false, false, false
	return a == b
}
