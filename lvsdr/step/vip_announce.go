package step

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// That a director's VIP was announced cannot be seen on the host. The ledger keeps
// under "vip announce 10.10.10.22", from before the VIP is there, that its
// neighbours are still to be told: a set-up killed in between is made good by the
// next one.

const announceKeyPrefix = vipKeyPrefix + "announce "

func announceKey(vip netip.Addr) string { return announceKeyPrefix + vip.String() }

// announced has the change announce a VIP when it is made.
func (v *vipView) announced(c *Change, vip host.Address) {
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
func (v *vipView) announcement(vip host.Address) Change {
	c := v.change(Present, Add, "announcement of "+vip.Prefix.Addr().String()+" on "+vip.Link,
		func(context.Context) error { return nil })
	v.announced(&c, vip)
	return c
}

// announce tells the neighbours, and strikes out that it was due.
func announce(ctx context.Context, links host.Links, l Ledger, link string, vips ...netip.Addr) error {
	if err := links.Announce(ctx, link, vips...); err != nil {
		return fmt.Errorf("the VIP is there, but its neighbours could not be told, who may still know another MAC address for it: %w", err)
	}
	keys := make([]string, len(vips))
	for i, vip := range vips {
		keys[i] = announceKey(vip)
	}
	return l.Forget(keys...)
}
