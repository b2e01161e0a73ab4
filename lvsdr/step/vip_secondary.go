package step

import (
	"context"
	"net/netip"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// When the primary IPv4 address of a subnet is removed, the kernel removes its
// secondaries with it, the host's own address among them, unless
// promote_secondaries is 1 for the interface or for all (net/ipv4/devinet.c,
// __inet_del_ifa). A VIP that was added as 10.10.10.22/24 first is such a primary.
// The sysctl is set before that is removed, and given back at teardown.

const promoteKeyPrefix = vipKeyPrefix + "promote_secondaries "

func PromoteSysctl(link string) string {
	return "net/ipv4/conf/" + link + "/promote_secondaries"
}

// promotions returns the changes due before the wrong addresses are removed, and
// adds what they change to before.
func (v *VipView) promotions(wrong []host.Address, before map[string]string, remember func() error) []Change {
	var changes []Change
	for _, a := range wrong {
		key := promoteKeyPrefix + a.Link
		if _, planned := before[key]; planned || !v.Carries(a) || v.Promotes("all") || v.Promotes(a.Link) {
			continue
		}
		before[key] = "0"
		changes = append(changes, v.promotion(Present, a.Link, "0", "1", remember))
	}
	return changes
}

// demotions returns the changes that give promote_secondaries back.
func (v *VipView) demotions() []Change {
	var changes []Change
	for _, link := range v.links {
		before, ok := v.lines[promoteKeyPrefix+link.Name]
		if ok && v.Promotes(link.Name) {
			changes = append(changes, v.promotion(Absent, link.Name, "1", before, func() error { return nil }))
		}
	}
	return changes
}

func (v *VipView) promotion(want State, link, from, to string, first func() error) Change {
	key, sysctl := PromoteSysctl(link), v.Host.Sysctl
	change := v.change(want, Set, boot.SysctlDotted(key), func(context.Context) error {
		if err := first(); err != nil {
			return err
		}
		return sysctl.Set(key, to)
	})
	change.From, change.To = from, to
	return change
}

func (v *VipView) Promotes(link string) bool {
	value, err := v.Host.Sysctl.Get(PromoteSysctl(link))
	return err == nil && strings.TrimSpace(value) == "1"
}

// Carries tells whether a is the primary address of a subnet with secondaries:
// the first of those with its subnet on its link, but not the last.
func (v *VipView) Carries(a host.Address) bool {
	if !a.Prefix.Addr().Is4() || a.Prefix.IsSingleIP() {
		return false
	}
	var subnet []netip.Addr
	for _, b := range v.All {
		if b.Link == a.Link && b.Prefix.Masked() == a.Prefix.Masked() {
			subnet = append(subnet, b.Prefix.Addr())
		}
	}
	return len(subnet) > 1 && subnet[0] == a.Prefix.Addr()
}
