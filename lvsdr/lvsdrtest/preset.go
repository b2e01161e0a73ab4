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
ip addr add 10.10.10.%[2]s/24 dev eth0
ip addr add fd00:10::%[2]s/64 dev eth0
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
func Director(commands ...string) *World { return lanHost("30", "30", commands) }

// RealServer is dev-2, a host like [Director]'s with 10.10.10.31/24 and
// fd00:10::31/64.
func RealServer(commands ...string) *World { return lanHost("31", "31", commands) }

// Client is a host like [Director]'s with 10.10.10.100/24 and fd00:10::100/64.
func Client(commands ...string) *World { return lanHost("99", "100", commands) }

func lanHost(mac, last string, commands []string) *World {
	w := New(strings.Split(strings.TrimSpace(fmt.Sprintf(lan, mac, last)), "\n")...)
	return w.must(commands)
}

// HealthyLAN is the commands that put the other hosts of the mission's cluster on
// the LAN of any of them, as they are when all is set up and a web server listens
// on both real servers, 10.10.10.31 and .32 (fd00:10::31 and ::32): the director
// alone answers ARP for the VIPs 10.10.10.22 and fd00:10::22, and clients get
// their replies from the real servers.
func HealthyLAN() string {
	text := strings.ReplaceAll(healthyLAN, "M:", "02:00:00:00:00:")
	v6 := strings.NewReplacer("10.10.10.22:", "[fd00:10::22]:", "10.10.10.31:", "[fd00:10::31]:", "10.10.10.32:", "[fd00:10::32]:",
		"10.10.10.", "fd00:10::")
	return text + v6.Replace(text)
}

const healthyLAN = `
lan add M:01 10.10.10.1
lan add M:99 10.10.10.100
lan add M:30 10.10.10.30
lan add M:30 10.10.10.22
lan add M:31 10.10.10.31
lan add M:32 10.10.10.32
lan answer M:31 10.10.10.31:80 accepted
lan answer M:31 10.10.10.22:80 accepted
lan answer M:31 10.10.10.22:0 accepted
lan answer M:32 10.10.10.32:80 accepted
lan answer M:32 10.10.10.22:80 accepted
lan answer M:32 10.10.10.22:0 accepted
lan answer M:30 10.10.10.22:80 accepted from M:31,M:32
lan answer M:30 10.10.10.22:0 accepted
lan page 10.10.10.22:80 100000 100000
`
