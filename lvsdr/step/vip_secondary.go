package step

import (
	"context"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// An address that [host.Address.TakesAlong] others is removed without them while
// promote_secondaries is 1 for the interface or for all. A VIP that was added as 10.10.10.22/24 first is such a primary.
// The sysctl is set before that is removed, and given back at teardown.

const promoteKeyPrefix = vipKeyPrefix + "promote_secondaries "

// promotions returns the changes due before the wrong addresses are removed, and
// adds what they change to before.
func (v *vipView) promotions(wrong []host.Address, before map[string]string, remember func() error) []Change {
	var changes []Change
	for _, a := range wrong {
		key := promoteKeyPrefix + a.Link
		if _, planned := before[key]; planned || !a.TakesAlong(v.all) || v.promotes("all") || v.promotes(a.Link) {
			continue
		}
		before[key] = "0"
		changes = append(changes, v.promotion(Present, a.Link, "0", "1", remember))
	}
	return changes
}

// demotions returns the changes that give promote_secondaries back.
func (v *vipView) demotions() []Change {
	var changes []Change
	for _, link := range v.links {
		before, ok := v.lines[promoteKeyPrefix+link.Name]
		if ok && v.promotes(link.Name) {
			changes = append(changes, v.promotion(Absent, link.Name, "1", before, func() error { return nil }))
		}
	}
	return changes
}

func (v *vipView) promotion(want State, link, from, to string, first func() error) Change {
	key, sysctl := host.PromoteSecondaries(link), v.host.Sysctl
	change := v.change(want, Set, host.SysctlName(key), func(context.Context) error {
		if err := first(); err != nil {
			return err
		}
		return sysctl.Set(key, to)
	})
	change.From, change.To = from, to
	return change
}

func (v *vipView) promotes(link string) bool {
	value, err := v.host.Sysctl.Get(host.PromoteSecondaries(link))
	return err == nil && strings.TrimSpace(value) == "1"
}
