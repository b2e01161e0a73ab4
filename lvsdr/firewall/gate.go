package firewall

import (
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// The names of the packet filters, as [cluster.Config.Firewall] has them.
const (
	nftablesName = "nftables"
	iptablesName = "iptables"
)

// firewallMark is the comment that tells lvsdr's rules from everybody else's.
const firewallMark = "lvsdr"

// GateOf is the gate through which packets come to a loaded rule: an opening of
// lvsdr's there comes before it.
func GateOf(r filter.Rule) host.Place {
	if r.Tool == filter.ByNftables {
		return host.Place{Firewall: nftablesName, Gate: r.Family + " " + r.Table + " " + r.Base}
	}
	return host.Place{Firewall: iptablesName, Gate: iptablesChain{r.Variant, r.Family, r.Table, r.Base}.String()}
}

// An iptablesChain is one gate of iptables: a built-in chain.
type iptablesChain struct{ variant, family, table, name string }

// String is "legacy ip INPUT", with the table where it is not filter: "nft ip6
// mangle PREROUTING".
func (c iptablesChain) String() string {
	table := c.table + " "
	if c.table == "filter" {
		table = ""
	}
	return c.variant + " " + c.family + " " + table + c.name
}

func iptablesGate(c filter.Chain) string {
	return iptablesChain{c.Variant, c.Family, c.Table, c.Name}.String()
}
