package step

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// vipEdit is the Data of the step's changes.
type vipEdit struct {
	want     State
	do       func(context.Context) error // without announcing
	announce host.Address                // what to announce afterwards
	gone     netip.Addr                  // the VIP that leaves the host, while the role stays
}

func (v *vipView) change(want State, op Op, object string, do func(context.Context) error) Change {
	return Change{Step: vipStep{}.Name(), Op: op, Object: object, Do: do, Data: vipEdit{want: want, do: do}}
}

// Apply makes the changes, and looks again.
func (s vipStep) Apply(ctx context.Context, h *host.Host, changes []Change) (done int, err error) {
	done, err = s.make(ctx, h, changes)
	if err != nil || done == 0 {
		return done, err
	}
	return done, confirmVIPs(ctx, h, s, changes)
}

// make makes the changes and then announces the new VIPs together, which takes
// as long as announcing one; also when a later change failed or was cancelled.
func (s vipStep) make(ctx context.Context, h *host.Host, changes []Change) (done int, err error) {
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
		if e := announce(context.WithoutCancel(ctx), h.Links, LedgerOf(h, s.role), link, vips...); err == nil {
			err = e
		}
	}
	return done, err
}

// confirmVIPs looks again. What comes last may still be due.
func confirmVIPs(ctx context.Context, h *host.Host, s Step, changes []Change) error {
	left, err := s.Plan(ctx, h, changes[0].Data.(vipEdit).want)
	if last := changes[len(changes)-1].Late; !last {
		left = slices.DeleteFunc(left, func(c Change) bool { return c.Late })
	}
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: still due: %s", ErrNoEffect, left[0])
	}
	return err
}
