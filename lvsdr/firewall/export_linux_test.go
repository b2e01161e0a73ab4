package firewall

import (
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// LegacyFilter tells whether the kernel has the legacy table filter in this network
// namespace.
func LegacyFilter(family string) (bool, error) {
	names, err := filter.LegacyTables(family)
	return slices.Contains(names, "filter"), err
}
