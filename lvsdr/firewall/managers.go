package firewall

import (
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// The managers, as [cluster.FirewallManagers] names them.
const (
	firewalldName = "firewalld"
	ufwName       = "ufw"
)

// firewalldTable is the table of nftables that firewalld keeps, in each family.
const firewalldTable = "firewalld"

// keeperOf names the manager that loads the rules of a chain, empty when there is
// none: what is put there goes with the manager's next load.
func keeperOf(c filter.Chain) string {
	if c.Tool == filter.ByNftables {
		if c.Table == firewalldTable {
			return firewalldName
		}
		return ""
	}
	for _, r := range c.Rules() {
		switch target := r.Target(); {
		case strings.HasPrefix(target, "ufw-"), strings.HasPrefix(target, "ufw6-"):
			return ufwName
		case strings.HasPrefix(target, c.Name+"_ZONES"), strings.HasPrefix(target, c.Name+"_direct"):
			return firewalldName
		}
	}
	return ""
}

// keeps tells whether the manager has rules loaded in this network namespace: only
// there it runs, whatever is installed.
func keeps(rules *filter.Ruleset, manager string) bool {
	return slices.ContainsFunc(rules.Chains(), func(c filter.Chain) bool { return keeperOf(c) == manager })
}

// KeeperOf names the manager that loads the rule, as far as its place tells.
func KeeperOf(r filter.Rule) string {
	switch {
	case r.Tool == filter.ByNftables && r.Table == firewalldTable:
		return firewalldName
	case r.Tool != filter.ByNftables && (strings.HasPrefix(r.Chain, "ufw-") || strings.HasPrefix(r.Chain, "ufw6-")):
		return ufwName
	}
	return ""
}

// byVIP sorts openings into those of each VIP, in the order of the VIPs.
func byVIP(openings []host.Opening) [][]host.Opening {
	openings = host.SortOpenings(slices.Clone(openings))
	var all [][]host.Opening
	for i, o := range openings {
		if i == 0 || openings[i-1].VIP != o.VIP {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], o)
	}
	return all
}
