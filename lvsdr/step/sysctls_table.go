package step

import (
	"maps"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Sysctl is a kernel parameter that a role needs.
type Sysctl struct {
	Key   string   // with slashes
	Value string   // what it is set to
	Also  []string // values found that serve as well and are left alone
	Unset string   // what the kernel has it at boot; empty: 0
	IPv4  bool     // needed only with an IPv4 VIP: ARP, and the mission's forwarding
	Sync  bool     // needed only where the directors tell each other of their connections
	Hash  bool     // needed only with [cluster.Config.VRRP] where a hash alone picks the real server
	Why   string   // goes to the drop-in and the documentation
}

// Serves tells whether the value found does what the role needs.
func (s Sysctl) Serves(value string) bool {
	return value == s.Value || slices.Contains(s.Also, value)
}

// The kernel takes the larger of conf/all and conf/<interface> for arp_ignore and
// arp_announce (include/linux/inetdevice.h, IN_DEV_MAXCONF). Larger is not
// stronger: arp_ignore 3 answers for an address on lo, 4 to 7 and arp_announce
// above 2 mean 0 (net/ipv4/arp.c, arp_ignore and arp_solicit).
var (
	arpIgnoreAlso = []string{"2", "8"} // 2: and only to its own subnet; 8: never

	realServerSysctls = []Sysctl{{
		Key: host.IPForward, Value: "1", IPv4: true,
		Why: "Part of the common recipe for real servers. Direct routing itself does not need it; " +
			"lvsdr blackholes the VIP so that a real server that lost it does not send its packets round.",
	}, {
		Key: "net/ipv4/conf/all/arp_ignore", Value: "1", Also: arpIgnoreAlso, IPv4: true,
		Why: "Answer ARP only for addresses of the interface that the question came in on: " +
			"never for the VIP, which is on lo. Otherwise clients bypass the director.",
	}, {
		Key: "net/ipv4/conf/all/arp_announce", Value: "2", IPv4: true,
		Why: "Ask ARP with the interface's own address, never with the VIP as the sender: " +
			"whoever hears that takes this host for the VIP's owner.",
	}, {
		Key: "net/ipv4/conf/lo/arp_ignore", Value: "1", Also: arpIgnoreAlso, IPv4: true,
		Why: "The same for lo, which carries the VIP. The interface that the question came in on " +
			"decides, so that it counts only together with all.",
	}, {
		Key: "net/ipv4/conf/lo/arp_announce", Value: "2", IPv4: true,
		Why: "The same for lo, which carries the VIP.",
	}}

	// vs/conntrack, which must be 0 under direct routing, is so by default; that
	// somebody set it is for the doctor to tell.
	directorSysctls = []Sysctl{{
		Key: "net/ipv4/conf/all/arp_announce", Value: "2", IPv4: true,
		Why: "Ask ARP for a real server with the DIP, never with the VIP as the sender: " +
			"the real server holds the VIP itself and would never answer.",
	}, {
		Key: "net/ipv4/vs/expire_nodest_conn", Value: "1",
		Why: "A connection whose real server was taken out is reset at its next packet. " +
			"By default its packets vanish until the client gives up.",
	}, {
		Key: "net/ipv4/vs/expire_quiescent_template", Value: "1",
		Why: "With persistence, weight 0 also ends a client's tie to the real server at its next " +
			"connection. By default a drained real server keeps getting its old clients.",
	}, {
		Key: "net/ipv4/vs/conn_reuse_mode", Value: "2", Also: []string{"3"}, Unset: "1",
		Why: "A client's new connection from a port used before is scheduled anew. Under direct routing " +
			"the director sees FIN_WAIT last, which the default (1) leaves out: it would stick to the old real server.",
	}, {
		Key: "net/ipv4/vs/sync_threshold", Value: "3 0", Unset: "3 50", Sync: true,
		Why: "Other directors are told of a connection as soon as it is established, and again by " +
			"sync_refresh_period. By default they are at its 3rd, 53rd, 103rd, ... packet: one of few packets is forgotten there.",
	}, {
		Key: "net/ipv4/vs/sync_refresh_period", Value: "10", Sync: true,
		Why: "And again every ten seconds while it has packets, so that a director that comes back soon knows all that are in use.",
	}, {
		Key: "net/ipv4/vs/sloppy_tcp", Value: "1", Hash: true,
		Why: "A director that takes over forwards also the connections that it does not know: " +
			"the scheduler's hash gives them the real server that they are on. By default it resets them.",
	}}
)

// SysctlsOf returns what a host of the cluster needs in a role, in the order in which
// it is set.
func SysctlsOf(role string, c cluster.Config) []Sysctl {
	ipv4 := slices.ContainsFunc(c.Services, func(s cluster.Service) bool { return s.VIP.Unmap().Is4() })
	all := slices.DeleteFunc(RoleSysctls(role), func(s Sysctl) bool {
		return s.IPv4 && !ipv4 || s.Sync && c.Sync == nil || s.Hash && !movedAndHashed(c)
	})
	if role == cluster.RealServerRole && len(c.ARPInterfaces) > 0 {
		all = onInterfaces(all, c.ARPInterfaces)
	}
	return all
}

// movedAndHashed tells whether another director would pick the same real server for each
// TCP connection that it does not know. The key is one for all services: one that
// schedules otherwise would send it anywhere.
func movedAndHashed(c cluster.Config) bool {
	hashed := false
	for _, s := range c.Services {
		if !slices.ContainsFunc(s.AllPorts(), func(p cluster.Port) bool { return p.Protocol == cluster.TCP }) {
			continue
		}
		if s.Scheduler != "sh" && s.Scheduler != "mh" {
			return false
		}
		hashed = true
	}
	return hashed && c.VRRP != nil
}

// arpOfAll is the folder of what counts on every interface beside its own value.
const arpOfAll = "net/ipv4/conf/all/arp_"

// onInterfaces puts the interfaces' own keys in the place of those for all.
func onInterfaces(sysctls []Sysctl, links []string) []Sysctl {
	var all []Sysctl
	for _, s := range sysctls {
		kind, ofAll := strings.CutPrefix(s.Key, arpOfAll)
		if !ofAll {
			all = append(all, s)
			continue
		}
		for _, link := range links {
			on := s
			on.Key = "net/ipv4/conf/" + link + "/arp_" + kind
			all = append(all, on)
		}
	}
	return all
}

// Sysctls returns what a role wants of the keys that stand in its drop-in.
func (d DropIn) Sysctls(role string) []Sysctl {
	all := slices.DeleteFunc(RoleSysctls(role), func(s Sysctl) bool { _, there := d.Set[s.Key]; return !there })
	for _, key := range slices.Sorted(maps.Keys(d.Set)) {
		known := slices.ContainsFunc(all, func(s Sysctl) bool { return s.Key == key })
		if s, ok := ofKey(role, key); ok && !known {
			all = append(all, s)
		}
	}
	return all
}

// ofKey is what a role wants of a key, on an interface of whatever name.
func ofKey(role, key string) (Sysctl, bool) {
	all := RoleSysctls(role)
	if parts := strings.Split(key, "/"); role == cluster.RealServerRole && len(parts) == 5 && strings.HasPrefix(parts[4], "arp_") {
		all = append(all, onInterfaces(all, parts[3:4])...)
	}
	i := slices.IndexFunc(all, func(s Sysctl) bool { return s.Key == key })
	if i < 0 {
		return Sysctl{}, false
	}
	return all[i], true
}

// RoleSysctls returns all that a role may need, whatever the cluster, in the same order.
func RoleSysctls(role string) []Sysctl {
	if role == cluster.DirectorRole {
		return slices.Clone(directorSysctls)
	}
	return slices.Clone(realServerSysctls)
}
