package cluster

import (
	"slices"
)

// firewallNames are the packet filters that [Config.Firewall] may name.
var firewallNames = []string{"auto", "nftables", "iptables", "none"}

// wrongFirewall tells what is wrong with the name of the packet filter. The two
// managers that lvsdr does not drive yet are refused with the commands that open
// the ports by hand.
func wrongFirewall(c Config) string {
	switch {
	case c.Firewall == "" || slices.Contains(firewallNames, c.Firewall):
		return ""
	case c.Firewall == "firewalld" || c.Firewall == "ufw":
		return "not supported yet: open the ports yourself, and use none here (--firewall none)"
	}
	return "a packet filter is wanted: " + oneOf(firewallNames)
}
