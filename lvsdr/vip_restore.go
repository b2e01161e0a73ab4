package lvsdr

import (
	"context"
	"net/netip"
	"slices"
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
		vips = slices.DeleteFunc(slices.Clone(v.vips), func(vip netip.Addr) bool {
			return !slices.ContainsFunc(v.at[vip], v.marked)
		})
	}
	var changes []Change
	for _, vip := range vips {
		change, err := v.giveBack(vip)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return append(changes, v.demotions()...), nil
}

// giveBack returns the change that makes a VIP what it was before set-up.
// An address whose interface is gone does not come back. One that was the
// primary of its subnet comes back as a secondary when others of the subnet are
// there: to change that would take the host's own addresses away for a moment,
// and with them routes.
func (v *vipView) giveBack(vip netip.Addr) (Change, error) {
	before, err := v.before(vip)
	if err != nil {
		return Change{}, err
	}
	before = slices.DeleteFunc(before, func(a Address) bool {
		_, there := v.linkNamed(a.Link)
		return !there
	})
	has := func(all []Address, a Address) bool {
		return slices.ContainsFunc(all, func(b Address) bool { return sameAddress(a, b) })
	}
	var ours, missing []Address
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
	return v.giveBackChange(vip, ours, missing), nil
}

func (v *vipView) giveBackChange(vip netip.Addr, ours, missing []Address) Change {
	change := Change{Step: vipStep{}.Name(), Op: Remove, Object: joinAddresses(ours)}
	switch {
	case len(missing) > 0:
		change.Op, change.Object = Set, vip.String()
		change.From, change.To = joinAddresses(ours), joinAddresses(missing)
	case len(ours) == 0: // set-up was killed after it wrote, or somebody was faster
		change.Object = "line of " + vip.String() + " in " + v.ledger.name
	}
	change.Do = func(ctx context.Context) error {
		if err := swap(ctx, v.host.Links, ours, missing); err != nil {
			return err
		}
		return v.ledger.forget(vipKey(vip))
	}
	return change
}

// marked tells whether an address of a VIP looks like one that the role puts there.
func (v *vipView) marked(a Address) bool {
	link, ok := v.linkNamed(a.Link)
	if !ok || !a.Prefix.IsSingleIP() || a.Peer.IsValid() || link.Loopback != (v.role == RealServerRole) {
		return false
	}
	if a.Prefix.Addr().Is4() {
		return a.Label == vipLabel(a.Link)
	}
	return a.Deprecated || v.role == RealServerRole
}

// sameAddress compares all but what only the kernel or the clock changes.
func sameAddress(a, b Address) bool {
	a.Lifetime, b.Lifetime = 0, 0
	a.DADFailed, b.DADFailed = false, false
	return a == b
}
