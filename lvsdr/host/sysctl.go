package host

import "strings"

// IPForward is the key of the switch that has a host forward IPv4 packets
// (ip-sysctl in the kernel's documentation).
const IPForward = "net/ipv4/ip_forward"

// SysctlName is a key as people write it and sysctl(8) takes it: with dots, and with a
// slash where an interface's name has a dot ("net.ipv4.conf.eth0/100.arp_ignore").
func SysctlName(key string) string { return swapDots.Replace(key) }

// SysctlKey is the key of a name, with slashes as [Sysctl] takes it. It is read as
// sysctl.d(5) says: the first separator decides whether dots and slashes are swapped,
// so that a key is its own.
func SysctlKey(name string) string {
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '.' {
		return swapDots.Replace(name)
	}
	return name
}

var swapDots = strings.NewReplacer(".", "/", "/", ".")
