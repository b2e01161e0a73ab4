package firewall

import (
	"os"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Local are the packet filters that this host has; each answers for the network
// namespace of the thread that asks. A firewall manager is one line here, and its
// name in package cluster; one that does not run here has no gates, but for what of
// lvsdr's is in its files. "auto" takes all of them.
func Local(files host.Files) []host.Firewall {
	local := []host.Firewall{firewalld{files}, ufw{run: filter.RunTool}, nftFirewall{}}
	if hasIptables(filter.Tool, inKernel) {
		local = append(local, iptables{run: filter.RunTool})
	}
	return local
}

// hasIptables tells whether iptables can be in use: by one of its commands, or by
// the kernel's part of it, which filters without a command too.
func hasIptables(tool func(name string) (path string), inKernel func(family string) bool) bool {
	return slices.ContainsFunc([]string{"ip", "ip6"}, func(family string) bool {
		commands := []string{family + "tables", family + "tables-nft", family + "tables-legacy"}
		return inKernel(family) || slices.ContainsFunc(commands, func(c string) bool { return tool(c) != "" })
	})
}

// inKernel tells whether the family's x_tables are loaded: their file is then there
// in every network namespace (net/netfilter/x_tables.c).
func inKernel(family string) bool {
	_, err := os.Stat("/proc/thread-self/net/" + family + "_tables_names")
	return err == nil
}
