package lvsdr

import "github.com/lvsdr/toolkit/lvsdr/filter"

// firewallMark is the comment that tells lvsdr's rules from everybody else's.
const firewallMark = "lvsdr"

// localFirewalls are the packet filters of the calling thread's network
// namespace, in the order in which "auto" considers them.
func localFirewalls() []Firewall {
	return []Firewall{nftFirewall{iptables: filter.IptablesCommand}, iptables{run: filter.RunTool}}
}
