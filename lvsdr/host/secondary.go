package host

import "net/netip"

// TakesAlong tells whether removing a removes others of all, every address of the host
// in the kernel's order: a is the primary IPv4 address of its subnet on its interface,
// the first one, and has secondaries. The kernel does not where
// [PromoteSecondaries] is 1 for the interface or for "all" (net/ipv4/devinet.c,
// __inet_del_ifa).
func (a Address) TakesAlong(all []Address) bool {
	if !a.Prefix.Addr().Is4() || a.Prefix.IsSingleIP() {
		return false
	}
	var subnet []netip.Addr
	for _, b := range all {
		if b.Link == a.Link && b.Prefix.Masked() == a.Prefix.Masked() {
			subnet = append(subnet, b.Prefix.Addr())
		}
	}
	return len(subnet) > 1 && subnet[0] == a.Prefix.Addr()
}

// PromoteSecondaries is the key of the sysctl that has the kernel keep the secondary
// addresses of a subnet when its primary one is removed, by interface or for "all".
func PromoteSecondaries(link string) string {
	return "net/ipv4/conf/" + link + "/promote_secondaries"
}
