package lvsdr

import (
	"context"
	"fmt"
	"net/netip"
)

// vipEdit is the Data of the step's changes.
type vipEdit struct {
	want     State
	do       func(context.Context) error // without announcing
	announce Address                     // what to announce afterwards
}

func (v *vipView) change(want State, op Op, object string, do func(context.Context) error) Change {
	return Change{Step: vipStep{}.Name(), Op: op, Object: object, Do: do, Data: vipEdit{want: want, do: do}}
}

// announced has the change announce a VIP when it is made.
func (v *vipView) announced(c *Change, vip Address) {
	edit := c.Data.(vipEdit)
	edit.announce = vip
	c.Data = edit
	c.Do = func(ctx context.Context) error {
		if err := edit.do(ctx); err != nil {
			return err
		}
		return announce(ctx, v.host.Links, v.ledger, vip.Link, vip.Prefix.Addr())
	}
}

// announcement returns the change that announces a VIP which is there already:
// the set-up that put it there was killed in between, or was not allowed to.
func (v *vipView) announcement(vip Address) Change {
	c := v.change(Present, Add, "announcement of "+vip.Prefix.Addr().String()+" dev "+vip.Link,
		func(context.Context) error { return nil })
	v.announced(&c, vip)
	return c
}

// announceKey is in the ledger while the VIP is still to be announced.
func announceKey(vip netip.Addr) string { return vipKeyPrefix + "announce " + vip.String() }

// Apply makes the changes and then announces the new VIPs together, which takes
// as long as announcing one; also when a later change failed or was cancelled.
func (s vipStep) Apply(ctx context.Context, h *Host, changes []Change) (done int, err error) {
	fresh := map[string][]netip.Addr{} // by link
	for _, c := range changes {
		if err = ctx.Err(); err != nil {
			break
		}
		edit := c.Data.(vipEdit)
		if err = edit.do(ctx); err != nil {
			break
		}
		done++
		if a := edit.announce; a.Link != "" {
			fresh[a.Link] = append(fresh[a.Link], a.Prefix.Addr())
		}
	}
	for link, vips := range fresh {
		if e := announce(context.WithoutCancel(ctx), h.Links, h.ledger(s.role), link, vips...); err == nil {
			err = e
		}
	}
	if err != nil || done == 0 {
		return done, err
	}
	return done, s.confirm(ctx, h, changes[0].Data.(vipEdit).want)
}

// confirm looks again.
func (s vipStep) confirm(ctx context.Context, h *Host, want State) error {
	left, err := s.Plan(ctx, h, want)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: still due: %s", ErrNoEffect, left[0])
	}
	return err
}

func announce(ctx context.Context, links Links, l ledger, link string, vips ...netip.Addr) error {
	if err := links.Announce(ctx, link, vips...); err != nil {
		return fmt.Errorf("the VIP is there, but its neighbours could not be told, who may still know another MAC address for it: %w", err)
	}
	keys := make([]string, len(vips))
	for i, vip := range vips {
		keys[i] = announceKey(vip)
	}
	return l.forget(keys...)
}
