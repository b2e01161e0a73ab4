package lvsdrtest

import (
	"fmt"
	"strings"
)

// lan is what every host of the cluster has: a LAN, the way a distribution's
// systemd leaves secondary addresses, and a firewall that lets in nothing but
// what belongs to a connection, and ssh.
const lan = `
ip link set lo up
ip link add eth0 address 02:00:00:00:00:%[1]s type veth
ip link set eth0 up
ip addr add 10.10.10.%[1]s/24 dev eth0
ip addr add fd00:10::%[1]s/64 dev eth0
ip addr add fe80::ff:fe00:%[1]s/64 dev eth0
ip route add default via 10.10.10.1 dev eth0
ip route add default via fd00:10::1 dev eth0
nft add chain inet filter input { type filter hook input priority 0; policy drop; }
nft add rule inet filter input ct state established,related accept
nft add rule inet filter input iif lo accept
nft add rule inet filter input tcp dport 22 accept
`

// Director is a host of the mission's cluster before any set-up: dev-1 with
// 10.10.10.30/24 and fd00:10::30/64 on eth0, and a firewall that drops what it
// does not know. The commands run after that, as in [New].
func Director(commands ...string) *World { return host("30", commands) }

// RealServer is dev-2, a host like [Director]'s with 10.10.10.31/24 and
// fd00:10::31/64.
func RealServer(commands ...string) *World { return host("31", commands) }

func host(last string, commands []string) *World {
	w := New(strings.Split(strings.TrimSpace(fmt.Sprintf(lan, last)), "\n")...)
	return w.must(commands)
}
