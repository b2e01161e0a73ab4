package firewall

import (
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// firewallMark is the comment that tells lvsdr's rules from everybody else's.
const firewallMark = "lvsdr"

// LocalFirewalls are the packet filters of the calling thread's network
// namespace, in the order in which "auto" considers them.
func LocalFirewalls() []host.Firewall {
	return []host.Firewall{nftFirewall{iptables: filter.IptablesCommand}, iptables{run: filter.RunTool}}
}
