package step

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// givenUp are the changes that take the VIPs off this host where keepalived has not
// brought them: those of lvsdr's own, and what was there before set-up, which the ledger
// keeps.
//
// keepalived takes them away when it starts, and becomes master after three intervals
// without another one. For so long a VIP that was served is on loopback: its packets are
// this host's own, and nobody who asks hears of it anew.
func (s movedVIPs) givenUp(v *vipView, want keepalived.Config, starts bool) ([]Change, error) {
	var changes []Change
	before := map[string]string{}
	remember := func() error { return v.ledger.Remember(before) }
	for _, c := range want.Carried() {
		vip := c.Prefix.Addr()
		at := v.at[vip]
		if len(at) == 0 {
			continue
		}
		link, _ := v.linkNamed(c.Link)
		if err := v.cutOff(link, at); err != nil {
			return nil, err
		}
		changes = append(changes, v.promotions(at, before, remember)...)
		if _, known := v.lines[vipKey(vip)]; !known {
			before[vipKey(vip)] = encodeAddresses(at)
		}
		var held []host.Address
		if starts {
			held = v.heldOnLoopback(vip, at)
		}
		changes = append(changes, v.change(Present, Remove, joinAddresses(at), func(ctx context.Context) error {
			if err := remember(); err != nil {
				return err
			}
			return swap(ctx, v.host.Links, at, held)
		}))
	}
	return changes, nil
}

// heldLabel marks a VIP that is on loopback while keepalived starts. IPv6 has no labels:
// there it is that a director's VIP is on loopback at all.
const heldLabel = "lo:vrrp"

// heldOnLoopback is a VIP as it is held there; none where it did not serve.
func (v *vipView) heldOnLoopback(vip netip.Addr, at []host.Address) []host.Address {
	serves := slices.ContainsFunc(at, func(a host.Address) bool {
		l, ok := v.linkNamed(a.Link)
		return ok && !l.Loopback
	})
	lo, err := v.loopback()
	if err != nil || !serves {
		return nil
	}
	a := host.Address{Prefix: host.HostPrefix(vip), Link: lo.Name}
	if vip.Is4() {
		a.Label, a.Scope = heldLabel, scopeHost
	} else {
		a.NoDAD, a.Deprecated = true, true
	}
	return []host.Address{a}
}

// startVRRP starts keepalived, and waits until it is master, or must have heard of one.
func (s movedVIPs) startVRRP(ctx context.Context, v *vipView, text []byte, carried []keepalived.Carried) error {
	if err := v.host.VRRP.Start(ctx); err != nil {
		return err
	}
	err := settleVRRP(ctx, v.host, s.config.VRRP.TakesOver(s.priority(v))+vrrpSettling, func(all []host.Address) bool {
		return here(carried, all) == len(carried)
	})
	return errors.Join(err, v.letGo(context.WithoutCancel(ctx)))
}

// letGo takes the VIPs off loopback that were held there.
func (v *vipView) letGo(ctx context.Context) error {
	all, err := v.host.Links.Addresses(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if slices.Contains(v.vips, a.Prefix.Addr()) && v.heldHere(a) {
			if err := v.host.Links.RemoveAddress(ctx, a); err != nil {
				return fmt.Errorf("remove %s: %w", a, err)
			}
		}
	}
	return nil
}

// heldHere tells whether an address is a director's VIP held on loopback.
func (v *vipView) heldHere(a host.Address) bool {
	l, ok := v.linkNamed(a.Link)
	return ok && l.Loopback && a.Prefix.IsSingleIP() && (a.Label == heldLabel || a.Prefix.Addr().Is6() && a.Deprecated)
}

// vrrpSettling is how long after its time keepalived may become master, and how long it
// may take to do what it was told.
const vrrpSettling = time.Second

// unread is below a configuration that keepalived has not been told of yet: a set-up that
// is killed in between finds another text than it wants.
const unread = "# keepalived has not read this yet\n"

// reloadVRRP has keepalived read another configuration. A master brings what is new.
func reloadVRRP(ctx context.Context, h *host.Host, now vrrpNow, text []byte, carried []keepalived.Carried) error {
	if err := h.Files.WriteFile(host.VRRPConf, append(slices.Clone(text), unread...), 0o600); err != nil {
		return err
	}
	if err := h.VRRP.Reload(ctx); err != nil {
		return err
	}
	if err := settleVRRP(ctx, h, vrrpSettling, func(all []host.Address) bool {
		return here(carried, all) == len(carried) || here(now.carried, all) == 0
	}); err != nil {
		return err
	}
	return h.Files.WriteFile(host.VRRPConf, text, 0o600)
}

// settleVRRP waits until the host's addresses are as they are to be, for a while.
func settleVRRP(ctx context.Context, h *host.Host, most time.Duration, is func([]host.Address) bool) error {
	deadline := time.Now().Add(most)
	for {
		all, err := h.Links.Addresses(ctx)
		if err != nil || is(all) || !time.Now().Before(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
