//go:build linux

package gallery

import "github.com/lvsdr/toolkit/lvsdr/doctor"

// warned is the sight of a warning on one host, and on no other.
func warned(host, code string) []Sight {
	return []Sight{{Host: host, Code: code, Severity: doctor.Warning}}
}

const tableByHand = `ipvsadm -A -t 10.10.10.22:80 -s wrr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31 -g
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32 -g`

var bootFaults = []Fault{{
	Name: "sysctl-in-no-file", Catalogue: "R19", Setup: "-",
	Title:  "a real server made by hand answers ARP after the next boot",
	Make:   handMade(tableByHand),
	Inject: on("dev-3", "rm /etc/sysctl.d/lvs.conf"),
	Sights: warned("dev-3", "sysctl-boot"),
}, {
	Name: "sysctl-later-file", Catalogue: "R19",
	Title:  "a file that is read after lvsdr's has a real server answer ARP after the next boot",
	Inject: on("dev-2", "echo net.ipv4.conf.all.arp_ignore=0 >/etc/sysctl.d/zzz-local.conf"),
	Sights: warned("dev-2", "sysctl-boot"),
}, {
	Name: "sysctl-later-glob", Catalogue: "R19",
	Title:  "a glob in a file that is read after lvsdr's gives the interfaces a value of their own that outdoes all's",
	Inject: on("dev-2", "echo 'net.ipv4.conf.*.arp_ignore = 3' >/etc/sysctl.d/zzz-local.conf"),
	Sights: warned("dev-2", "sysctl-boot"),
}, {
	Name: "sysctl-file-removed", Catalogue: "R19",
	Title:  "the sysctls of a real server are in no file any more",
	Inject: on("dev-2", "rm /etc/sysctl.d/zz-lvsdr-realserver.conf"),
	Sights: warned("dev-2", "sysctl-boot"),
}, {
	Name: "nft-file-closed", Catalogue: "F9", Setup: "-",
	Title: "a real server made by hand has its port open now, and rules on disk that close it at the next boot",
	Make:  handMade(tableByHand),
	Inject: on("dev-3", `cat >/etc/nftables.conf <<'EOF'
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		tcp dport 22 accept
	}
}
EOF
mkdir -p /etc/systemd/system/sysinit.target.wants; ln -s /lib/systemd/system/nftables.service /etc/systemd/system/sysinit.target.wants/`),
	Sights: warned("dev-3", "firewall-boot"),
	Undo:   on("dev-3", "rm /etc/nftables.conf /etc/systemd/system/sysinit.target.wants/nftables.service"),
}, {
	Name: "conntrack-at-boot", Catalogue: "R19",
	Title:  "the director is to track connections from the next boot on",
	Inject: on("dev-1", "echo net.ipv4.vs.conntrack=1 >/etc/sysctl.d/99-local.conf"),
	Sights: warned("dev-1", "sysctl-boot"),
}, {
	Name: "modules-file-removed", Catalogue: "M4",
	Title:  "nothing loads ip_vs at boot before its sysctls are set",
	Inject: on("dev-1", "rm /etc/modules-load.d/lvsdr.conf"),
	Sights: warned("dev-1", "modules-boot"),
}, {
	Name: "module-blacklisted", Catalogue: "M4",
	Title:  "a scheduler is not loaded at boot",
	Inject: on("dev-1", "echo blacklist ip_vs_wrr >/etc/modprobe.d/local.conf"),
	Sights: warned("dev-1", "modules-boot"),
}, {
	Name: "unit-disabled", Catalogue: "M6",
	Title:  "the director's unit is not started at boot",
	Inject: on("dev-1", "rm /etc/systemd/system/multi-user.target.wants/lvsdr-director.service"),
	Sights: warned("dev-1", "unit"),
}, {
	Name: "unit-masked", Catalogue: "M6",
	Title:  "a real server's unit is masked",
	Inject: on("dev-2", "ln -sf /dev/null /etc/systemd/system/lvsdr-realserver.service"),
	Sights: []Sight{{Host: "dev-2", Code: "unit"}},
	Heal:   on("dev-2", "test ! -L /etc/systemd/system/lvsdr-realserver.service"), // the fix has made it a file again
}, {
	Name: "unit-edited", Catalogue: "M6",
	Title:  "the unit of a real server does something else at boot",
	Inject: on("dev-2", "sed -i 's/ --runtime/ --dry-run/' /etc/systemd/system/lvsdr-realserver.service"),
	Sights: warned("dev-2", "unit"),
}, {
	Name: "unit-program-gone", Catalogue: "M6",
	Title:  "the unit of a real server runs a program that is not there",
	Inject: on("dev-2", "sed -i 's,^ExecStart=[^ ]*,ExecStart=/usr/local/sbin/gone,' /etc/systemd/system/lvsdr-realserver.service"),
	Sights: []Sight{{Host: "dev-2", Code: "unit"}},
}, {
	Name: "unit-refused", Catalogue: "M6",
	Title:  "the unit of a real server has a flag that this version does not know",
	Inject: on("dev-2", "sed -i 's/ --runtime/ --runtime --gone/' /etc/systemd/system/lvsdr-realserver.service"),
	Sights: []Sight{{Host: "dev-2", Code: "unit"}},
}, {
	Name: "vs-sysctl-before-ip-vs", Catalogue: "R19", Setup: "-",
	Title:  "a director made by hand has a sysctl of IPVS in a file, and nothing loads ip_vs before",
	Make:   handMade(tableByHand),
	Inject: on("dev-1", "echo net.ipv4.vs.expire_nodest_conn=1 >/etc/sysctl.d/10-lvs.conf"),
	Sights: warned("dev-1", "sysctl-boot"),
}, {
	Name: "table-restored", Catalogue: "D18",
	Title:  "ipvsadm's unit restores the VIP's service at boot too",
	Inject: on("dev-1", restored("-A -t 10.10.10.22:80 -s wrr")),
	Sights: warned("dev-1", "table-owner"),
	Undo:   on("dev-1", "rm /etc/default/ipvsadm /etc/ipvsadm.rules"),
}, {
	Name: "table-restored-with-others", Catalogue: "D18",
	Title:  "ipvsadm's unit restores the VIP's service at boot too, beside another that nobody else restores",
	Inject: on("dev-1", restored(`-A -t 10.10.10.22:80 -s wrr\n-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1\n-A -t 192.0.2.9:25 -s rr`)),
	Sights: warned("dev-1", "table-owner"),
	Heal:   on("dev-1", "grep -q AUTO=.true /etc/default/ipvsadm; [ \"$(cat /etc/ipvsadm.rules)\" = '-A -t 192.0.2.9:25 -s rr' ]"),
	Undo:   on("dev-1", "rm /etc/default/ipvsadm /etc/ipvsadm.rules"),
}, {
	Name: "weight-by-hand", Catalogue: "drift",
	Title:  "somebody has changed a weight",
	Inject: on("dev-1", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31 -g -w 5"),
	Sights: warned("dev-1", "drift"),
}, {
	Name: "server-by-hand", Catalogue: "drift",
	Title:  "somebody has added a real server, without load yet",
	Inject: on("dev-1", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.100 -g -w 0"),
	Sights: warned("dev-1", "drift"),
}, {
	Name: "scheduler-by-hand", Catalogue: "drift",
	Title:  "somebody has changed the scheduler",
	Inject: on("dev-1", "ipvsadm -E -t 10.10.10.22:80 -s rr"),
	Sights: warned("dev-1", "drift"),
}, {
	Name: "label-by-hand", Catalogue: "drift",
	Title:  "the director's VIP has lost the label that makes it lvsdr's",
	Inject: on("dev-1", "ip addr del 10.10.10.22/32 dev eth0 && ip addr add 10.10.10.22/32 dev eth0"),
	Sights: warned("dev-1", "drift"),
}, {
	Name: "timeouts-by-hand", Catalogue: "drift",
	Title:  "somebody has changed a timeout",
	Setup:  Flags + " --timeouts 30s,5s,60s",
	Inject: on("dev-1", "ipvsadm --set 900 5 60"),
	Sights: warned("dev-1", "drift"),
}, {
	Name: "route-mtu", Catalogue: "O1",
	Title:  "the director's route to a real server takes smaller packets than its LAN",
	Inject: on("dev-1", "ip route add 10.10.10.31 dev eth0 mtu 1000"),
	Sights: warned("dev-1", "mtu"),
}, {
	Name: "loopback-alias-on-director", Catalogue: "R22",
	Title: "a network script puts the VIP on the director's loopback at the next boot",
	Inject: on("dev-1", "mkdir -p /etc/sysconfig/network-scripts\n"+
		`printf 'DEVICE=lo:0\nIPADDR=10.10.10.22\nNETMASK=255.255.255.255\nONBOOT=yes\n' >/etc/sysconfig/network-scripts/ifcfg-lo:0`),
	Sights: warned("dev-1", "address-owner"),
}, {
	Name: "second-owner", Catalogue: "M11",
	Title: "ifupdown brings up the VIP too",
	Inject: on("dev-2", "mkdir -p /etc/network\n"+
		`printf 'auto lo\niface lo inet loopback\n  up ip addr add 10.10.10.22/32 dev lo\n' >/etc/network/interfaces`),
	Sights: warned("dev-2", "address-owner"),
	Heal:   on("dev-2", "sed -i '/10.10.10.22/d' /etc/network/interfaces"),
}, {
	Name: "networkd-drops-vip", Catalogue: "R21",
	Title: "systemd-networkd manages the LAN interface and takes the VIP away when it is started anew",
	Inject: on("dev-1", `mkdir -p /run/systemd/netif/links /run/systemd/network
printf '[Match]\nName=eth0\n[Network]\nAddress=10.10.10.30/24\n' >/run/systemd/network/10-lan.network
printf 'ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-lan.network\n' >/run/systemd/netif/links/$(cat /sys/class/net/eth0/ifindex)`),
	Sights: warned("dev-1", "address-owner"),
}}

// restored has ipvsadm's unit restore these rules at boot, as Debian's does.
func restored(rules string) string {
	return `mkdir -p /etc/default; echo 'AUTO="true"' >/etc/default/ipvsadm; printf '%b\n' '` + rules + `' >/etc/ipvsadm.rules`
}

// Clusters that look as if they would not survive a reboot, or had two owners.
var bootVariants = []Healthy{{
	Name: "by-hand-in-files", Title: "made by hand, with its sysctls in files", Catalogue: "R19", Setup: "-",
	Make: all(handMade(tableByHand),
		on("dev-2", "echo net.ipv4.conf.all.arp_ignore=1 >/etc/sysctl.d/lvs.conf; echo net.ipv4.conf.eth0.arp_announce=2 >>/etc/sysctl.d/lvs.conf"),
		on("dev-3", "rm /etc/sysctl.d/lvs.conf; printf '#!/bin/sh\\nsysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2\\n' >/etc/rc.local")),
}, {
	Name: "runtime", Title: "set up with --runtime: nothing is to outlive a reboot", Setup: "-",
	Make: all(on("dev-2", "lvsdr setup realserver -q --runtime "+Flags), on("dev-3", "lvsdr setup realserver -q --runtime "+Flags),
		on("dev-1", "lvsdr setup director -q --runtime "+Flags)),
}, {
	Name: "stricter-file", Title: "a later file silences ARP even more, another sets what does not matter", Catalogue: "R19",
	Make: on("dev-2", "echo net.ipv4.conf.all.arp_ignore=2 >/etc/sysctl.d/zzz.conf; echo net.ipv4.conf.eth0.arp_ignore=0 >>/etc/sysctl.d/zzz.conf"),
}, {
	Name: "networkd-keeps-vip", Title: "systemd-networkd manages the LAN interface and keeps what others add", Catalogue: "R21",
	Make: on("dev-1", `mkdir -p /run/systemd/netif/links /run/systemd/network
printf '[Match]\nName=eth0\n[Network]\nKeepConfiguration=static\n' >/run/systemd/network/10-lan.network
printf 'ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-lan.network\n' >/run/systemd/netif/links/$(cat /sys/class/net/eth0/ifindex)`),
}, {
	Name: "fifty", Title: "50 real servers", Setup: flagsOf(50), Servers: 50,
}}
