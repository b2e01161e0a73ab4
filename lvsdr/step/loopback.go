package step

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Loopback is the name of the step that has lo up.
const Loopback = "loopback"

// LoopbackUp is the step that has the loopback interface up, as it is on every
// booted host but not in a fresh network namespace: a real server's IPv6 VIP is
// local only then, and IPVS refuses real servers where it never was up (EINVAL).
func LoopbackUp(role string) Step { return loopbackStep{role} }

type loopbackStep struct{ role string }

func (loopbackStep) Name() string { return Loopback }

func (s loopbackStep) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	if want == Absent {
		return s.absent(h)
	}
	links, err := h.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(links, func(l host.Link) bool { return l.Loopback })
	if i < 0 || links[i].Up {
		return nil, nil
	}
	lo := links[i].Name
	addresses, err := h.Links.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	before := strings.Join(addressesOf(lo, addresses), " ")
	return []Change{s.change(lo, "down", "up", func(ctx context.Context) error {
		if err := LedgerOf(h, s.role).Remember(map[string]string{linkKey(lo): before}); err != nil {
			return err
		}
		return h.Links.SetUp(ctx, lo, true)
	})}, nil
}

func (s loopbackStep) change(link, from, to string, do func(context.Context) error) Change {
	return Change{Step: s.Name(), Op: Set, Object: "link " + link, From: from, To: to, Do: do}
}

// The ledger keeps, under "loopback lo", the addresses that lo had while it was down.
func linkKey(lo string) string { return Loopback + " " + lo }

func (s loopbackStep) absent(h *host.Host) ([]Change, error) {
	lines, err := LedgerOf(h, s.role).ReadStep(Loopback)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for lo, before := range lines {
		changes = append(changes, s.change(lo, "up", "down", func(ctx context.Context) error {
			return s.takeDown(ctx, h, lo, strings.Fields(before))
		}))
	}
	return changes, nil
}

// takeDown also removes 127.0.0.1/8, which the kernel adds when loopback comes up
// without it (net/ipv4/devinet.c, inetdev_event) and leaves when it goes down.
func (s loopbackStep) takeDown(ctx context.Context, h *host.Host, lo string, before []string) error {
	if err := h.Links.SetUp(ctx, lo, false); err != nil {
		return err
	}
	addresses, err := h.Links.Addresses(ctx)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if a.Link != lo || !a.Prefix.Addr().IsLoopback() || slices.Contains(before, a.Prefix.String()) {
			continue
		}
		if err := h.Links.RemoveAddress(ctx, a); err != nil {
			return fmt.Errorf("remove %s: %w", a, err)
		}
	}
	return LedgerOf(h, s.role).Forget(linkKey(lo))
}

func addressesOf(link string, all []host.Address) []string {
	var prefixes []string
	for _, a := range all {
		if a.Link == link {
			prefixes = append(prefixes, a.Prefix.String())
		}
	}
	return prefixes
}
