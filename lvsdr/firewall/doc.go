// Package firewall opens ports in the packet filters of the running kernel and closes
// them again: nftables and iptables, each a [host.Firewall]. It puts an accept rule
// with a mark of its own before the first rule that can drop, in every chain that can,
// and removes nothing but rules with that mark.
//
// What the loaded rules do with a packet is found out by package filter; which ports
// must be open is told by the caller.
package firewall
