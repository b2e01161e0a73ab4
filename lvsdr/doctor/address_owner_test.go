package doctor_test

import (
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

const (
	vrrpConf = `
vrrp_instance v {
  interface eth0
  virtual_ipaddress { 10.10.10.21
    10.10.10.22/32 dev eth0 label eth0:0 # ours
  }
}
virtual_server 10.10.10.22 80 { lb_kind DR }`
	netplan = `
network:
  version: 2
  ethernets:
    eth0:
      addresses: [10.10.10.31/24, {10.10.10.22/32: {label: "eth0:0"}}]`
	interfaces = `
auto lo eth0 lo:0
iface lo inet loopback
iface lo:0 inet static
	address 10.10.10.22
	netmask 255.255.255.255`
	keyfile = `
[connection]
interface-name=dummy0
[ipv4]
address1=10.10.10.22/32`
	links   = "mkdir -p /run/systemd/netif/links\n"
	managed = "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-netplan-eth0.network"
	network = "mkdir -p /run/systemd/network\n"
)

var ownerCases = []bootCase{
	{
		name: "keepalived at work", role: cluster.DirectorRole,
		does: "ps add keepalived\nmkdir -p /etc/keepalived\n" + write("/etc/keepalived/keepalived.conf", vrrpConf),
		want: []string{"warning address-owner: /etc/keepalived/keepalived.conf: keepalived brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "keepalived's sample", role: cluster.DirectorRole,
		does: "mkdir -p /etc/keepalived\n" + write("/etc/keepalived/keepalived.conf", vrrpConf),
	}, {
		name: "keepalived's sample beside ifupdown and networkd", role: cluster.DirectorRole,
		does: "mkdir -p /etc/keepalived\nmkdir -p /etc/network\n" + write("/etc/keepalived/keepalived.conf", vrrpConf) + "\n" + write("/etc/network/interfaces", "auto eth0\niface eth0 inet static\n  up ip addr add 10.10.10.22/32 dev eth0") +
			"\n" + links + write("/run/systemd/netif/links/2", managed) + "\n" + network + write("/run/systemd/network/10-netplan-eth0.network", "[Match]\nName=eth0"),
		want: []string{"warning address-owner: /etc/network/interfaces:3: ifupdown brings up the VIP 10.10.10.22, which lvsdr brings up too",
			"warning address-owner: systemd-networkd manages eth0 by /run/systemd/network/10-netplan-eth0.network and takes the VIP 10.10.10.22 away when it is started anew"},
	}, {
		name: "keepalived for something else", role: cluster.DirectorRole,
		does: "ps add keepalived\n" + links + write("/run/systemd/netif/links/2", managed) + "\n" + network + write("/run/systemd/network/10-netplan-eth0.network", "[Match]\nName=eth0"),
		want: []string{"warning address-owner: systemd-networkd manages eth0 by /run/systemd/network/10-netplan-eth0.network and takes the VIP 10.10.10.22 away when it is started anew"},
		fix: "mkdir -p /etc/systemd/network/10-netplan-eth0.network.d && printf '[Network]\\nKeepConfiguration=static\\n' " +
			">/etc/systemd/network/10-netplan-eth0.network.d/keep-vip.conf",
	}, {
		name: "keepalived alone", role: "-" + cluster.DirectorRole,
		does: "ps add keepalived\nmkdir -p /etc/keepalived\n" + write("/etc/keepalived/keepalived.conf", vrrpConf) +
			"\nip addr add 10.10.10.22/32 dev eth0\n" + links + write("/run/systemd/netif/links/2", managed) + "\n" +
			network + write("/run/systemd/network/10-netplan-eth0.network", "[Match]\nName=eth0"),
	}, {
		name: "netplan on the LAN of a real server", role: "-" + cluster.RealServerRole,
		does: "mkdir -p /etc/netplan\n" + write("/etc/netplan/50.yaml", netplan),
		want: []string{"warning address-owner: /etc/netplan/50.yaml:6: netplan brings the VIP 10.10.10.22 up on eth0, where this host would answer ARP for it"},
	}, {
		name: "netplan on a director", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/netplan\n" + write("/etc/netplan/50.yaml", netplan),
	}, {
		name: "ifupdown beside lvsdr", role: cluster.RealServerRole,
		does: "mkdir -p /etc/network\n" + write("/etc/network/interfaces", interfaces),
		want: []string{"warning address-owner: /etc/network/interfaces:5: ifupdown brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "ifupdown on a director's loopback", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/network\n" + write("/etc/network/interfaces", "auto lo\niface lo inet loopback\n  up ip addr add 10.10.10.22/32 dev lo"),
		want: []string{"warning address-owner: /etc/network/interfaces:3: ifupdown brings the VIP 10.10.10.22 up on lo, where a real server has it; a director has it on the LAN"},
	}, {
		name: "ifupdown alone", role: "-" + cluster.RealServerRole, does: "mkdir -p /etc/network\n" + write("/etc/network/interfaces", interfaces),
	}, {
		name: "a network script", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/sysconfig/network-scripts\n" +
			write("/etc/sysconfig/network-scripts/ifcfg-lo:0", "DEVICE=lo:0\nIPADDR=10.10.10.22\nNETMASK=255.255.255.255\nONBOOT=yes"),
		want: []string{"warning address-owner: /etc/sysconfig/network-scripts/ifcfg-lo:0:2: network-scripts brings the VIP 10.10.10.22 up on lo, " +
			"where a real server has it; a director has it on the LAN"},
		fix: "sed -i 's/^ONBOOT=.*//;$aONBOOT=no' /etc/sysconfig/network-scripts/ifcfg-lo:0",
	}, {
		name: "a network script that is off", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/sysconfig/network-scripts\n" + write("/etc/sysconfig/network-scripts/ifcfg-lo:0", "IPADDR=10.10.10.22\nONBOOT=no"),
	}, {
		name: "a backup of a network script", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/sysconfig/network-scripts\n" + write("/etc/sysconfig/network-scripts/ifcfg-lo:0.bak", "DEVICE=lo:0\nIPADDR=10.10.10.22\nONBOOT=yes"),
	}, {
		name: "in the network script of loopback itself", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/sysconfig/network-scripts\n" +
			write("/etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\nIPADDR=127.0.0.1\nIPADDR1=10.10.10.22\nONBOOT=yes"),
		want: []string{"warning address-owner: /etc/sysconfig/network-scripts/ifcfg-lo:3: network-scripts brings the VIP 10.10.10.22 up on lo, " +
			"where a real server has it; a director has it on the LAN"},
		fix: "sed -i '3s/^/#/' /etc/sysconfig/network-scripts/ifcfg-lo",
	}, {
		name: "ifconfig in interfaces", role: "-" + cluster.DirectorRole,
		does: "mkdir -p /etc/network\n" + write("/etc/network/interfaces",
			"auto lo\niface lo inet loopback\n  up ifconfig lo:0 10.10.10.22 netmask 255.255.255.255\n  down ifconfig lo:0 down"),
		want: []string{"warning address-owner: /etc/network/interfaces:3: ifupdown brings the VIP 10.10.10.22 up on lo, where a real server has it; a director has it on the LAN"},
	}, {
		name: "the VIP as somebody's broadcast address", role: cluster.RealServerRole,
		does: write("/etc/rc.local", "ifconfig eth1 10.9.0.1 broadcast 10.10.10.22\nip addr del 10.10.10.22/32 dev lo\n# ip addr add 10.10.10.22/32 dev lo"),
	}, {
		name: "rc.local", role: "-" + cluster.RealServerRole,
		does: write("/etc/rc.local", "#!/bin/sh\nVIP=10.10.10.22\n/sbin/ifconfig eth0:0 ${VIP} up"),
		want: []string{"warning address-owner: /etc/rc.local:3: a command at boot brings the VIP 10.10.10.22 up on eth0, where this host would answer ARP for it"},
	}, {
		name: "a script that rc.local runs", role: cluster.RealServerRole,
		does: write("/etc/rc.local", "/usr/local/sbin/vip start") + "\nmkdir -p /usr/local/sbin\n" +
			write("/usr/local/sbin/vip", "test -d /x && ip -4 addr add 10.10.10.22/32 dev lo || exit 1"),
		want: []string{"warning address-owner: /usr/local/sbin/vip:1: a command at boot brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "a unit of one's own", role: cluster.RealServerRole,
		does: "mkdir -p /etc/systemd/system/multi-user.target.wants\n" +
			write("/etc/systemd/system/vip.service", "[Service]\nExecStart=/bin/sh -c 'ip a add 10.10.10.22/32 dev lo'") + "\n" +
			write("/etc/systemd/system/multi-user.target.wants/vip.service", ""),
		want: []string{"warning address-owner: /etc/systemd/system/vip.service:2: a command at boot brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "cloud-init", role: cluster.RealServerRole,
		does: "mkdir -p /etc/cloud/cloud.cfg.d\n" + write("/etc/cloud/cloud.cfg.d/90-net.cfg",
			"network:\n  version: 1\n  config:\n  - type: loopback\n    name: lo\n    subnets:\n    - {type: static, address: 10.10.10.22/32}"),
		want: []string{"warning address-owner: /etc/cloud/cloud.cfg.d/90-net.cfg:7: cloud-init brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "NetworkManager beside lvsdr", role: cluster.RealServerRole,
		does: "mkdir -p /etc/NetworkManager/system-connections\n" + write("/etc/NetworkManager/system-connections/d.nmconnection", keyfile),
		want: []string{"warning address-owner: /etc/NetworkManager/system-connections/d.nmconnection:5: NetworkManager brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "dhcpcd beside lvsdr", role: cluster.DirectorRole,
		does: write("/etc/dhcpcd.conf", "interface eth0\nstatic ip_address=10.10.10.22/32"),
		want: []string{"warning address-owner: /etc/dhcpcd.conf:2: dhcpcd brings up the VIP 10.10.10.22, which lvsdr brings up too"},
	}, {
		name: "networkd takes it away", role: cluster.DirectorRole,
		does: links + write("/run/systemd/netif/links/2", managed) + "\n" + network + write("/run/systemd/network/10-netplan-eth0.network", "[Match]\nName=eth0"),
		want: []string{"warning address-owner: systemd-networkd manages eth0 by /run/systemd/network/10-netplan-eth0.network and takes the VIP 10.10.10.22 away when it is started anew"},
		fix: "mkdir -p /etc/systemd/network/10-netplan-eth0.network.d && printf '[Network]\\nKeepConfiguration=static\\n' " +
			">/etc/systemd/network/10-netplan-eth0.network.d/keep-vip.conf",
	}, {
		name: "networkd leaves it", role: cluster.DirectorRole,
		does: links + write("/run/systemd/netif/links/2", managed) + "\n" + network + write("/run/systemd/network/10-netplan-eth0.network", "[Match]\nName=eth0") +
			"\nmkdir -p /etc/systemd/network/10-netplan-eth0.network.d\n" + write("/etc/systemd/network/10-netplan-eth0.network.d/x.conf", "[Network]\nKeepConfiguration=static"),
	}, {
		name: "networkd does not manage it", role: cluster.DirectorRole, does: links + write("/run/systemd/netif/links/2", "ADMIN_STATE=unmanaged"),
	}, {
		name: "a narrow route", role: cluster.DirectorRole, does: "ip route add 10.10.10.31 dev eth0 mtu 1000",
		want: []string{"warning mtu: the route to the real server 10.10.10.31 takes packets of 1000 bytes, requests come in over eth0 with up to 1500"},
		fix:  "ip route replace 10.10.10.31 dev eth0 mtu 1500",
	}, {
		name: "a route of the link's MTU", role: cluster.DirectorRole, does: "ip route add 10.10.10.31 dev eth0 mtu 1500",
	}, {
		name: "LRO", role: cluster.DirectorRole, does: "ip link set eth0 lro on",
		want: []string{"warning mtu: eth0 merges packets that it receives (LRO), which do not fit on the way to the real servers"},
		fix:  "ethtool -K eth0 lro off",
	},
}

func TestAddressOwnerAndMTU(t *testing.T) {
	for _, c := range ownerCases {
		t.Run(c.name, c.run)
	}
}
