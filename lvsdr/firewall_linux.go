package lvsdr

// firewallMark is the comment that tells lvsdr's rules from everybody else's.
const firewallMark = "lvsdr"

// localFirewalls are the packet filters of the calling thread's network
// namespace, in the order in which "auto" considers them.
func localFirewalls() []Firewall {
	xt := iptables{run: runTool}
	return []Firewall{nftFirewall{iptables: xt.commandFor}, xt}
}
