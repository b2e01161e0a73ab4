package keepalived

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

const (
	oneService = "virtual_server 10.0.0.1 80 {\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.9 80 {\n}\n}\n"
	twoOfThem  = "directors: [{address: 10.0.0.2}, {address: 10.0.0.3}]\n"
)

// instanceText is a vrrp_instance that carries the VIP of oneService; the lines stand
// from line 14 on.
func instanceText(lines string) string {
	return oneService + "vrrp_instance A {\ninterface eth0\nvirtual_router_id 51\npriority 100\nvirtual_ipaddress {\n10.0.0.1\n}\n" + lines + "\n}\n"
}

// TestFailover: what vrrp_instances and lvs_sync_daemon say becomes vrrp and sync, and
// the rest is told.
func TestFailover(t *testing.T) {
	const both = "10.0.0.2 10.0.0.3"
	for _, tt := range []struct{ name, text, directors, keys, told string }{
		{"usual", instanceText("state MASTER\nadvert_int 1"), both, twoOfThem + "vrrp: {}", "k:14: state MASTER: each of lvsdr's directors starts as BACKUP"},
		{"all that vrrp has", strings.Replace(instanceText("state BACKUP\nadvert_int 2\nnopreempt\nauthentication {\nauth_type PASS\nauth_pass geheim\n}"), "51", "7", 1), both,
			twoOfThem + "vrrp: {routerId: 7, interval: 2s, preempt: false, auth: geheim}", "auth_pass travels in clear text"},
		{"parts of a second", instanceText("advert_int 0.25\nversion 3\nauthentication {\nauth_type PASS\nauth_pass geheim\n}"), both,
			twoOfThem + "vrrp: {interval: 250ms}", "k:16: authentication: left out: VRRP version 3 has none"},
		{"too long a password", instanceText("authentication {\nauth_type PASS\nauth_pass 123456789\n}"), both,
			twoOfThem + "vrrp: {auth: '12345678'}", "k:16: auth_pass is longer than 8"},
		{"AH", instanceText("authentication {\nauth_type AH\nauth_pass x\n}"), both, twoOfThem + "vrrp: {}", "!k:15: auth_type AH is left out"},
		{"odd password", instanceText("authentication {\nauth_type PASS\nauth_pass \"a b\"\n}"), both, twoOfThem + "vrrp: {}", "!k:16: auth_pass is left out"},
		{"slow", instanceText("advert_int 60"), both, twoOfThem + "vrrp: {}", "!k:14: advert_int 60 is left out"},
		{"no number", strings.Replace(instanceText(""), "51", "512", 1), both, twoOfThem + "vrrp: {}", "!k:9: virtual_router_id 512 is left out"},
		{"unicast", instanceText("state MASTER\nunicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.3\n}"), "",
			twoOfThem + "vrrp: {unicast: true}", "k:16: the priority of another director stands in its own file: 10.0.0.3 is given 90"},
		{"unicast of the backup", strings.Replace(instanceText("state BACKUP\nunicast_src_ip 10.0.0.3\nunicast_peer {\n10.0.0.2\n}"), "100", "90", 1), "",
			twoOfThem + "vrrp: {unicast: true}", "!k:16: the priority of another director"},
		{"unicast of three", strings.Replace(instanceText("state MASTER\nunicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.3\n10.0.0.4\n}"), "100", "150", 1), "",
			"directors: [{address: 10.0.0.2, priority: 150}, {address: 10.0.0.3, priority: 140}, {address: 10.0.0.4, priority: 130}]\nvrrp: {unicast: true}", "!k:16: the priority of another director"},
		{"another peer", instanceText("unicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.4\n}"), both,
			"directors: [{address: 10.0.0.2, priority: 100}, {address: 10.0.0.3}]\nvrrp: {unicast: true}", "!k:15: unicast_peer 10.0.0.4 is left out"},
		{"another priority", strings.Replace(instanceText(""), "100", "77", 1), both, twoOfThem + "vrrp: {}", "k:10: priority 77: none of the directors"},
		{"own interface", strings.Replace(instanceText(""), "10.0.0.1\n}\n", "10.0.0.1 dev eth1\n}\n", 1), both,
			"interface: eth1\n" + twoOfThem + "vrrp: {interface: eth0}", ""},
		{"another interface", instanceText("track_interface {\neth0\neth9\n}"), both, twoOfThem + "vrrp: {}", "!k:16: track_interface eth9: left out: with vrrp the VIPs follow"},
		{"what else it follows", instanceText("track_script {\nx\n}\npreempt_delay 9\ngarp_master_delay 1"), both, twoOfThem + "vrrp: {}",
			"!k:14: track_script: left out: with vrrp the VIPs follow"},
		{"patience", instanceText("preempt_delay 9\ngarp_master_delay 1"), both, twoOfThem + "vrrp: {}", "!k:14: preempt_delay: left out"},
		{"patience with sync", "global_defs {\nlvs_sync_daemon eth1 inst A id 51\n}\n" + instanceText("preempt_delay 9"), both,
			twoOfThem + "vrrp: {}\nsync: {interface: eth1, id: 51}", "k:17: preempt_delay 9: with sync lvsdr waits 13 s"},
		{"masters by turns", instanceText("") + "vrrp_instance B {\ninterface eth0\nvirtual_router_id 52\npriority 90\n}\n", both,
			twoOfThem + "vrrp: {}", "!k:16: vrrp_instance B: lvsdr moves all VIPs together, to one director, as vrrp_instance A says"},
		{"in a group", "vrrp_sync_group G {\ngroup {\nA\n}\nnotify /x\n}\n" + instanceText(""), both, twoOfThem + "vrrp: {}", "!k:5: notify: left out"},
		{"sync", "global_defs {\nlvs_sync_daemon eth1 inst A maxlen 9 port 7 group 224.0.0.9 ttl 1\n}\n" + strings.Replace(instanceText(""), "51", "7", 1), both,
			twoOfThem + "vrrp: {routerId: 7}\nsync: {interface: eth1, id: 7, port: 7, group: 224.0.0.9}", "k:2: with lvsdr each director has both daemons"},
		{"sync of keepalived 1", "global_defs {\nlvs_sync_daemon eth1 A 9\n}\n" + instanceText(""), both,
			twoOfThem + "vrrp: {}\nsync: {interface: eth1, id: 9}", ""},
		{"sync of an instance", instanceText("lvs_sync_daemon_interface eth1"), both, twoOfThem + "vrrp: {}\nsync: {interface: eth1, id: 51}", ""},
		{"sync alone", "global_defs {\nlvs_sync_daemon eth1 ttl 3\n}\n" + oneService, "", "sync: {interface: eth1}", "!k:2: ttl 3 is left out"},
		{"sync of any", "global_defs {\nlvs_sync_daemon eth1 id 0 x\n}\n" + oneService, "", "sync: {interface: eth1}", "!k:2: lvs_sync_daemon: x is left out: a value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse("k", []byte(tt.text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var directors []cluster.Director
			for _, a := range strings.Fields(tt.directors) {
				directors = append(directors, cluster.Director{Address: netip.MustParseAddr(a)})
			}
			got, remarks := c.Cluster(directors...)
			keys := tt.keys
			if !strings.HasPrefix(keys, "interface") && strings.Contains(tt.text, "vrrp_instance") {
				keys += "\ninterface: eth0"
			}
			if want := described(t, keys+"\nservices: [{vip: 10.0.0.1, scheduler: wlc, realServers: [{address: 10.0.0.9}]}]\n"); !got.Equal(want) {
				t.Errorf("got %+v, vrrp %+v, sync %+v", got, got.VRRP, got.Sync)
			}
			if err := got.Validate(cluster.DirectorRole); err != nil {
				t.Error(err)
			}
			if told := remarksText(remarks); !strings.Contains(told, tt.told) {
				t.Errorf("told\n%s\nwant %s", told, tt.told)
			}
		})
	}
}

// TestBothFamilies: the peers of the other family are the same directors, and unicast is
// told, which lvsdr has for one family alone.
func TestBothFamilies(t *testing.T) {
	got, remarks := imported(t, `vrrp_instance four {
 interface eth0
 priority 100
 state MASTER
 unicast_src_ip 10.0.0.2
 unicast_peer {
  10.0.0.3
 }
 virtual_ipaddress {
  10.0.0.1
 }
}
vrrp_instance six {
 interface eth0
 virtual_router_id 52
 priority 100
 unicast_src_ip 2001:db8::2
 unicast_peer {
  2001:db8::3
 }
 virtual_ipaddress {
  2001:db8::1
 }
}
virtual_server 10.0.0.1 80 {
 lb_kind DR
 protocol TCP
 real_server 10.0.0.9 80 {
 }
}
virtual_server 2001:db8::1 80 {
 lb_kind DR
 protocol TCP
 real_server 2001:db8::9 80 {
 }
}
`)
	want := described(t, "interface: eth0\n"+twoOfThem+`vrrp: {}
services:
  - {vip: 10.0.0.1, scheduler: wlc, realServers: [{address: 10.0.0.9}]}
  - {vip: 2001:db8::1, scheduler: wlc, realServers: [{address: 2001:db8::9}]}
`)
	if !got.Equal(want) {
		t.Errorf("got %+v, vrrp %+v", got, got.VRRP)
	}
	if err := got.Validate(cluster.DirectorRole); err != nil {
		t.Error(err)
	}
	if told := remarksText(remarks); !strings.Contains(told, "!k:6: unicast_peer: left out: a VIP is of another address family than the directors") {
		t.Errorf("told\n%s", told)
	}
}

// TestPasswordOfIPv6: where a VIP is IPv6, in an instance that is not, no password is left.
func TestPasswordOfIPv6(t *testing.T) {
	c, err := Parse("k", []byte(`vrrp_instance A {
 interface eth0
 priority 100
 authentication {
  auth_type PASS
  auth_pass geheim
 }
 virtual_ipaddress_excluded {
  2001:db8::1
 }
}
virtual_server 2001:db8::1 80 {
 lb_kind DR
 protocol TCP
 real_server 2001:db8::9 80 {
 }
}
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, remarks := c.Cluster(cluster.Director{Address: netip.MustParseAddr("10.0.0.2")}, cluster.Director{Address: netip.MustParseAddr("10.0.0.3")})
	if err := got.Validate(cluster.DirectorRole); err != nil {
		t.Error(err)
	}
	if told := remarksText(remarks); !strings.Contains(told, "k:4: authentication: left out: a VIP of IPv6 takes VRRP version 3") {
		t.Errorf("told\n%s", told)
	}
}
