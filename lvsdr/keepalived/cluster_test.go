package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

func imported(t *testing.T, text string) (cluster.Config, []cluster.Remark) {
	t.Helper()
	c, err := Parse("k", []byte(text), Options{ID: "main"})
	if err != nil {
		t.Fatal(err)
	}
	return c.Cluster()
}

// described parses what a description should be.
func described(t *testing.T, text string) cluster.Config {
	t.Helper()
	c, err := cluster.ParseConfig("want", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines are the remarks, one a line, the lost ones with a "!".
func remarksText(remarks []cluster.Remark) string {
	var b strings.Builder
	for _, r := range remarks {
		if r.Lost {
			b.WriteString("!")
		}
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

func TestMissionCluster(t *testing.T) {
	got, remarks := imported(t, mission)
	want := described(t, `interface: eth0
engine: keepalived
notify: {to: [ops@example.org], from: lvs@example.org, smtp: 192.168.200.1}
services:
  - {vip: 10.10.10.22, ports: [80], scheduler: wrr, check: {type: tcp, port: 80, interval: 6s, timeout: 10s, retries: 3, retryDelay: 3s}, realServers: [{address: 10.10.10.31, weight: 3}, {address: 10.10.10.32, weight: 3}]}
`)
	if !got.Equal(want) {
		t.Errorf("got %+v", got)
	}
	if err := got.Validate(cluster.DirectorRole); err != nil {
		t.Error(err)
	}
	const told = `k:8: smtp_server: 192.168.200.1 is on no network of this cluster (10.10.10.22): it looks left over from a sample
k:9: smtp_connect_timeout: left out: it means something to keepalived alone
k:10: router_id: left out: it means something to keepalived alone
!k:13: vrrp_instance VI_1 (state MASTER, virtual_router_id 51, priority 100, advert_int 1): its failover is left out, as this file does not tell who the other directors are: name all with lvsdr import keepalived --director ADDRESS=PRIORITY, or list them under directors: and say vrrp: {routerId: 51}
k:21: auth_pass travels in clear text in every advertisement: it keeps nobody out who hears them
k:29: the comment beside delay_loop 6 says 10: the line counts, not the comment
k:32: nat_mask: left out: keepalived knows it no more (it is an error to keepalived -t), and with DR it never meant anything
k:33: persistence_timeout 0 is an error to keepalived, which then has no persistence: to have none, leave the line out
k:33: the comment beside persistence_timeout 0 says 60: the line counts, not the comment
`
	if got := remarksText(remarks); got != told {
		t.Errorf("got\n%s\nwant\n%s", got, told)
	}
}

// TestMissingKind: without lb_kind keepalived rewrites addresses.
func TestMissingKind(t *testing.T) {
	_, remarks := imported(t, strings.ReplaceAll(strings.ReplaceAll(mission, "    lb_kind DR\n", ""), "    protocol TCP\n", ""))
	for _, want := range []string{
		"!k:28: no lb_kind: keepalived takes NAT then", "!k:28: no protocol: keepalived 2.2 takes UDP then",
		"10.10.10.31 is reached by NAT and will be by direct routing",
	} {
		if got := remarksText(remarks); !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %s", got, want)
		}
	}
}

// TestCluster reads one virtual_server a case: what becomes of it, and what is told.
func TestCluster(t *testing.T) {
	const rs = " real_server 10.0.0.9 80 { weight 1 } "
	const dr = " lb_kind DR\n protocol TCP\n delay_loop 6\n lb_algo rr\n"
	for _, tt := range []struct{ name, text, services, told string }{
		{"weights", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.2 80 {\nweight 0\nuthreshold 9\nlthreshold 4\n}\nreal_server 10.0.0.3 {\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.2, weight: 0, upperThreshold: 9, lowerThreshold: 4}, {address: 10.0.0.3}]}]", ""},
		{"persistence", "virtual_server 10.0.0.1 443 {\n" + dr + "persistence_timeout\npersistence_granularity 255.255.255.0\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [443], scheduler: rr, persistence: 6m, persistenceNetmask: 24, realServers: [{address: 10.0.0.9}]}]", "port 80 does nothing with DR"},
		{"all ports", "virtual_server 10.0.0.1 {\n" + dr + rs + "}",
			"[{vip: 10.0.0.1, ports: [0], scheduler: rr, persistence: 6m, realServers: [{address: 10.0.0.9}]}]", "keepalived takes 360 s then"},
		{"IPv6", "virtual_server 2001:db8::1 80 {\n" + dr + "persistence_timeout 9\npersistence_granularity 64\nreal_server 2001:db8::2 80 {\n}\n}",
			"[{vip: 2001:db8::1, ports: [80], scheduler: rr, persistence: 9s, persistenceNetmask: 64, realServers: [{address: 2001:db8::2}]}]", ""},
		{"flags", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "rr", "sh", 1) + "flag-1\nsh-port\nflag-3\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: sh, schedulerFlags: [sh-fallback, sh-port], realServers: [{address: 10.0.0.9}]}]", "!k:1: flag-3 is left out"},
		{"datagrams", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "TCP", "UDP", 1) + "ops\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80/udp], onePacket: true, scheduler: rr, realServers: [{address: 10.0.0.9}]}]", ""},
		{"group", "virtual_server_group g {\n10.0.0.1-2 80\n10.0.1.0/31 443\nfwmark 3\n}\nvirtual_server group g {\n" + dr + "real_server 10.0.0.9 {\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}, {vip: 10.0.0.2, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}, " +
				"{vip: 10.0.1.0, ports: [443], scheduler: rr, realServers: [{address: 10.0.0.9}]}, {vip: 10.0.1.1, ports: [443], scheduler: rr, realServers: [{address: 10.0.0.9}]}]",
			"!k:4: fwmark 3 is left out"},
		{"no group", "virtual_server group h {\n" + dr + rs + "}", "", "!k:1: virtual_server is left out: there is no virtual_server_group h"},
		{"fwmark", "virtual_server fwmark 1 {\n" + dr + rs + "}", "", "!k:1: virtual_server fwmark 1 is left out"},
		{"too many", "virtual_server 10.0.0.0/8 80 {\n" + dr + rs + "}", "", "!k:1: virtual_server 10.0.0.0/8 80 is left out"},
		{"name", "virtual_server www 80 {\n" + dr + rs + "}", "", "!k:1: virtual_server www 80 is left out: an address is wanted"},
		{"port mapping", "virtual_server 10.0.0.1 443 {\n" + strings.Replace(dr, "DR", "NAT", 1) + rs + "}", "", "it is reached by NAT on port 80, and direct routing rewrites no ports"},
		{"one by DR", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "DR", "TUN", 1) + "real_server 10.0.0.2 80 {\nlvs_method DR\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.2}]}]", ""},
		{"tunnel", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "DR", "TUN", 1) + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "is reached by TUN and will be by direct routing"},
		{"twice", "virtual_server 10.0.0.1 80 {\n" + dr + rs + "\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "k:7: real_server 10.0.0.9 80 is there before"},
		{"inhibit", "virtual_server 10.0.0.1 80 {\n" + dr + "inhibit_on_failure\nreal_server 10.0.0.2 80 {\nTCP_CHECK {\n}\n}\nreal_server 10.0.0.3 80 {\ninhibit_on_failure off\nTCP_CHECK {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {timeout: 5s, retries: 1}, inhibit: true, realServers: [{address: 10.0.0.2}, {address: 10.0.0.3}]}]",
			"!k:11: inhibit_on_failure of 10.0.0.3 is left out: lvsdr has one for all real servers of a service, that of 10.0.0.2"},
		{"inhibit without a check", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\ninhibit_on_failure\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", ""},
		{"no delay", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "delay_loop 6", "", 1) + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "no delay_loop: keepalived looks at a real server every 60 s"},
		{"unknown", "virtual_server 10.0.0.1 80 {\n lb_knd DR\n" + dr + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "!k:2: lb_knd: left out: lvsdr does not know it"},
		{"bad number", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nweight much\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "!k:7: weight much is left out: a number from 0 to 65535"},
		{"sorry", "virtual_server 10.0.0.1 80 {\n" + dr + "sorry_server 10.0.0.8 80\nquorum_up /x\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, sorryServer: 10.0.0.8, realServers: [{address: 10.0.0.9}]}]", "!k:7: quorum_up: left out"},
		{"other port of the sorry server", "virtual_server 10.0.0.1 80 {\n" + dr + "sorry_server 10.0.0.8 81\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, sorryServer: 10.0.0.8, realServers: [{address: 10.0.0.9}]}]", "k:6: port 81 does nothing with DR"},
		{"real server as sorry server", "virtual_server 10.0.0.1 80 {\n" + dr + "sorry_server 10.0.0.9 80\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "!k:6: sorry_server 10.0.0.9 80 is left out: it is a real server"},
		{"page", "virtual_server 10.0.0.1 80 {\n" + dr + "retry 4\nreal_server 10.0.0.9 80 {\nHTTP_GET {\nurl {\npath /health\nstatus_code 204\n}\nconnect_timeout 2.5\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: http, path: /health, status: 204, timeout: 3s, retries: 4, retryDelay: 3s}, realServers: [{address: 10.0.0.9}]}]",
			"k:13: connect_timeout 2.5: lvsdr takes whole seconds, from 1: 3"},
		{"no page", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nHTTP_GET {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "!k:7: HTTP_GET has no url"},
		{"page by TLS on another port", "virtual_server 10.0.0.1 443 {\n" + dr + "real_server 10.0.0.9 443 {\nSSL_GET {\nurl {\npath /\ndigest 9b3a0c85a887a256d6939da88aabd8cd\n}\nconnect_port 8443\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [443], scheduler: rr, check: {type: https, port: 8443, path: /, timeout: 5s, retries: 3, retryDelay: 3s}, realServers: [{address: 10.0.0.9}]}]",
			"!k:10: digest: left out: lvsdr's checks look at the status"},
		{"checks that differ", "virtual_server 10.0.0.1 80 {\n" + dr + "quorum 2\nreal_server 10.0.0.8 80 {\nTCP_CHECK {\nretry 2\nconnect_timeout 3\n}\n}\nreal_server 10.0.0.9 80 {\nPING_CHECK {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, quorum: 2, realServers: [{address: 10.0.0.8}, {address: 10.0.0.9}]}]", "!k:14: PING_CHECK: left out: lvsdr has one check for all"},
		{"one without a check", "virtual_server 10.0.0.1 80 {\n" + dr + rs + "real_server 10.0.0.8 80 {\nTCP_CHECK {\nretry 2\nconnect_timeout 3\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.8}, {address: 10.0.0.9}]}]", "10.0.0.9 has no check, and lvsdr looks after it as after 10.0.0.8"},
		{"mail", "virtual_server 10.0.0.1 25 {\n" + dr + "real_server 10.0.0.9 25 {\nSMTP_CHECK {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [25], scheduler: rr, check: {type: smtp, timeout: 5s, retries: 1}, realServers: [{address: 10.0.0.9}]}]", ""},
		{"mail of old", "virtual_server 10.0.0.1 25 {\n" + dr + "real_server 10.0.0.9 25 {\nSMTP_CHECK {\nhost {\nconnect_port 26\n}\nhost {\n}\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [25], scheduler: rr, check: {type: smtp, port: 26, timeout: 5s, retries: 1}, realServers: [{address: 10.0.0.9}]}]", "!k:11: host: left out"},
		{"file", "virtual_server 10.0.0.1 25 {\n" + dr + "real_server 10.0.0.9 25 {\nFILE_CHECK {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [25], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "!k:7: FILE_CHECK: left out: lvsdr's checks are tcp, udp"},
		{"names", "virtual_server 10.0.0.1 53 {\n" + strings.Replace(dr, "TCP", "UDP", 1) + "real_server 10.0.0.9 53 {\nDNS_CHECK {\ntype mx\nname example.org\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [53/udp], scheduler: rr, check: {type: dns, name: example.org, record: MX, timeout: 5s, retries: 3, retryDelay: 6s}, realServers: [{address: 10.0.0.9}]}]", ""},
		{"the root of names", "virtual_server 10.0.0.1 53 {\n" + dr + "real_server 10.0.0.9 53 {\nDNS_CHECK {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [53], scheduler: rr, check: {type: dns, port: 53, name: ., record: SOA, timeout: 5s, retries: 3, retryDelay: 6s}, realServers: [{address: 10.0.0.9}]}]", "k:7: DNS_CHECK has no name"},
		{"scripts", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.8 80 {\nMISC_CHECK {\nmisc_path \"/x 10.0.0.8 80\"\nmisc_timeout 3\nuser w g\n}\n}\nreal_server 10.0.0.9 80 {\nMISC_CHECK {\nmisc_path \"/x 10.0.0.9 80\"\nmisc_timeout 3\nuser w\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: misc, script: '/x {address} {port}', user: w, retries: 0}, realServers: [{address: 10.0.0.8}, {address: 10.0.0.9}]}]", "k:10: the group g is left out"},
		{"script of whoever", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nMISC_CHECK {\nmisc_path /x\nmisc_dynamic\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: misc, script: /x, timeout: 6s, retries: 0}, realServers: [{address: 10.0.0.9}]}]", "!k:7: MISC_CHECK has no user"},
		{"no script", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nMISC_CHECK {\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "!k:7: MISC_CHECK has no misc_path"},
		{"unreachable quorum", "virtual_server 10.0.0.1 80 {\n" + dr + "quorum 2\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "\nk:6: quorum 2 is more than all weights together: it is 1 here, as keepalived corrects it itself"},
		{"quorum of all weights", "virtual_server 10.0.0.1 80 {\n" + dr + "quorum 9\nreal_server 10.0.0.2 80 {\nweight 5\nTCP_CHECK {\nretry 2\nconnect_timeout 3\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, quorum: 5, realServers: [{address: 10.0.0.2, weight: 5}]}]", "\nk:6: quorum 9 is more than all weights together: it is 5 here"},
		{"quorum of those left", "virtual_server 10.0.0.1 80 {\n" + dr + "quorum 2\nreal_server 127.0.0.1 80 {\n}\nreal_server 10.0.0.1 80 {\n}\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]",
			"!k:6: quorum 2 is more than all weights together: it is 1 here, as keepalived corrects it itself\n!k:7: real_server 127.0.0.1 80 is left out: it is the director itself, which with lvsdr is no real server\n!k:9: 10.0.0.1 is left out: it is the VIP"},
		{"weight of all", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.2 80 {\nweight 1\n}\nreal_server 10.0.0.3 80 {\n}\nweight 7\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.2}, {address: 10.0.0.3, weight: 7}]}]", ""},
		{"no scheduler of that name", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "rr", "WRR", 1) + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: wlc, realServers: [{address: 10.0.0.9}]}]", "!k:5: lb_algo WRR is left out: it is no scheduler, and keepalived takes wlc then; the kernel has rr, wrr"},
		{"method in small letters", "virtual_server 10.0.0.1 80 {\n" + strings.Replace(dr, "DR", "dr", 1) + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]",
			"!k:2: lb_kind dr: keepalived knows DR in capitals alone, and takes NAT; if DR was meant, write it so\n!k:6: 10.0.0.9 is reached by NAT"},
		{"netmask that makes it persistent", "virtual_server 10.0.0.1 80 {\n" + dr + "persistence_granularity 255.255.255.0\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, persistence: 6m, persistenceNetmask: 24, realServers: [{address: 10.0.0.9}]}]", "\nk:6: persistence_granularity makes a service persistent"},
		{"director as sorry server", "virtual_server 10.0.0.1 80 {\n" + dr + "sorry_server 127.0.0.1 80\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "!k:6: sorry_server 127.0.0.1 80 is left out: it is the director itself"},
		{"comments of other languages", "virtual_server 10.0.0.1 80 { // the VIP\n" + dr + ";the real server\n// weight 1\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "\nk:6: ;the real server is no comment, and keepalived passes it over"},
		{"host of a page", "virtual_server 10.0.0.1 80 {\n" + dr + "virtualhost www\nreal_server 10.0.0.9 80 {\nHTTP_GET {\nurl {\npath /\n}\nretry 2\nconnect_timeout 3\ndelay_before_retry 1\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: http, path: /}, realServers: [{address: 10.0.0.9}]}]", "!k:6: virtualhost www: left out: lvsdr asks for the page by the real server's address"},
		{"host of no page", "virtual_server 10.0.0.1 80 {\n" + dr + "virtualhost www\n" + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "\nk:6: virtualhost www: left out"},
		{"addresses in a script", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.8 80 {\nMISC_CHECK {\nmisc_path \"/x @10.0.0.8 http://10.0.0.8:80/ 10.0.0.1 110.0.0.8 10.0.0.80\"\nmisc_timeout 3\nuser w\n}\n}\n" +
			"real_server 10.0.0.9 80 {\nMISC_CHECK {\nmisc_path \"/x @10.0.0.9 http://10.0.0.9:80/ 10.0.0.1 110.0.0.8 10.0.0.80\"\nmisc_timeout 3\nuser w\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: misc, script: '/x @{address} http://{address}:80/ {vip} 110.0.0.8 10.0.0.80', user: w, retries: 0}, realServers: [{address: 10.0.0.8}, {address: 10.0.0.9}]}]", ""},
		{"script without its path", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nMISC_CHECK {\nmisc_path \"exit 0\"\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "!k:7: MISC_CHECK: misc_path exit 0 is left out: the full path of a script and plain words are wanted"},
		{"script for a shell", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nMISC_CHECK {\nmisc_path \"/bin/sh -c 'exit 0'\"\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {interval: 6s}, realServers: [{address: 10.0.0.9}]}]", "!k:7: MISC_CHECK: misc_path /bin/sh -c 'exit 0' is left out"},
		{"priority of the other one", "vrrp_instance A {\npriority 100 # 90 there\nvirtual_ipaddress {\n10.0.0.1\n}\n}\nvirtual_server 10.0.0.1 80 {\n" + dr + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "!k:1: vrrp_instance A (priority 100): its failover"},
		{"retries by their old name", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nTCP_CHECK {\nnb_get_retry 3\nconnect_timeout 3\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {retries: 3}, realServers: [{address: 10.0.0.9}]}]", "\nk:8: nb_get_retry 3: keepalived knows it in HTTP_GET and SSL_GET alone, and passes it over in TCP_CHECK"},
		{"retries of a page by their old name", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 80 {\nHTTP_GET {\nurl {\npath /\n}\nnb_get_retry 4\nconnect_timeout 3\ndelay_before_retry 1\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: http, path: /, retries: 4}, realServers: [{address: 10.0.0.9}]}]", ""},
		{"port of its own in a script", "virtual_server 10.0.0.1 80 {\n" + dr + "real_server 10.0.0.9 81 {\nMISC_CHECK {\nmisc_path \"/x 10.0.0.9:81 81\"\nmisc_timeout 3\nuser w\n}\n}\n}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, check: {type: misc, script: '/x {address}:81 81', user: w, retries: 0}, realServers: [{address: 10.0.0.9}]}]", "port 81 does nothing with DR"},
		{"condition", "virtual_server 10.0.0.1 80 {\n@other lb_kind NAT\n" + dr + rs + "}",
			"[{vip: 10.0.0.1, ports: [80], scheduler: rr, realServers: [{address: 10.0.0.9}]}]", "k:2: left out: it is for another config-id (@other)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, remarks := imported(t, tt.text)
			told := remarksText(remarks)
			if tt.services == "" && len(got.Services) > 0 || tt.services != "" && !got.Equal(described(t, engineOf(tt.services)+"services: "+tt.services)) {
				t.Errorf("got %+v", got)
			}
			if !strings.Contains(told, tt.told) {
				t.Errorf("told\n%s\nwant %s", told, tt.told)
			}
			if err := got.Validate(""); len(got.Services) > 0 && err != nil {
				t.Error(err)
			}
			if strings.Contains(told, "the comment beside") {
				t.Errorf("told\n%s", told)
			}
			if tt.told == "" && strings.Contains(told, "!") {
				t.Errorf("told\n%s", told)
			}
		})
	}
}

// TestAskedAddress: connect_ip is carried over where it says the real server's address.
func TestAskedAddress(t *testing.T) {
	const there = "virtual_server 10.0.0.1 25 {\nlb_kind DR\nprotocol TCP\ndelay_loop 6\nlb_algo rr\nreal_server 10.0.0.9 25 {\n"
	for _, tt := range []struct{ name, check, told string }{
		{"its own", "TCP_CHECK {\nconnect_ip 10.0.0.9\n}", ""},
		{"its own, of old", "SMTP_CHECK {\nhost {\nconnect_ip 10.0.0.9\n}\n}", ""},
		{"another", "TCP_CHECK {\nconnect_port 26\nconnect_ip 10.0.0.1\n}",
			"!k:9: connect_ip 10.0.0.1: left out: lvsdr's check asks the real server at its own address, 10.0.0.9\n"},
		{"another, of old", "SMTP_CHECK {\nhost {\nconnect_ip 10.0.0.1\n}\n}",
			"!k:9: connect_ip 10.0.0.1: left out: lvsdr's check asks the real server at its own address, 10.0.0.9\n"},
		{"none", "TCP_CHECK {\nconnect_ip www\n}",
			"!k:8: connect_ip www: left out: lvsdr's check asks the real server at its own address, 10.0.0.9\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, remarks := imported(t, there+tt.check+"\n}\n}")
			if _, told, _ := strings.Cut(remarksText(remarks), "\n"); told != tt.told { // the first line is of the VIP
				t.Errorf("told\n%s\nwant\n%s", told, tt.told)
			}
			if check := got.Services[0].Check; check == nil {
				t.Error("the check is lost")
			}
		})
	}
}

// engineOf has keepalived go on where it does more than set the table.
func engineOf(services string) string {
	for _, key := range []string{"check:", "quorum:", "sorryServer:", "{address: 10.0.0.8}", "retries:"} {
		if strings.Contains(services, key) {
			return "engine: keepalived\n"
		}
	}
	return ""
}

// TestNoLAN: a VIP is not carried where no LAN is, and the directors do not sync there.
func TestNoLAN(t *testing.T) {
	got, remarks := imported(t, `virtual_server 10.0.0.1 80 {
 lb_kind DR
 protocol TCP
 real_server 10.0.0.9 80 {
 }
}
vrrp_instance A {
 interface eth0
 lvs_sync_daemon_interface
 lvs_sync_daemon_inteface eth1
 virtual_ipaddress {
  10.0.0.1/32 dev lo
 }
}
global_defs {
 lvs_id director
}
`)
	if got.Interface != "eth0" || got.Sync != nil {
		t.Errorf("got %+v", got)
	}
	told := remarksText(remarks)
	for _, want := range []string{
		"\nk:12: 10.0.0.1/32 dev lo: on lo nobody on the LAN is told of a VIP: lvsdr carries it on the LAN interface\n",
		"!k:9: lvs_sync_daemon_interface is left out: the name of an interface is wanted on its line\n",
		"!k:10: lvs_sync_daemon_inteface: left out: keepalived 2 knows it no more", "\nk:16: lvs_id: left out",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("told\n%s\nwant %s", told, want)
		}
	}
	for name, none := range map[string]bool{"lo": true, "tunl0": true, "dummy12": true, "gre0": true, "green0": false, "dummy": false, "eth0": false, "lo0": false, "tunl0x": false} {
		if noLAN(name) != none {
			t.Errorf("%s: %v", name, !none)
		}
	}
}

// TestOneInterface: a VIP that no vrrp_instance carries is on the LAN of the others.
func TestOneInterface(t *testing.T) {
	got, _ := imported(t, `vrrp_instance A {
 interface eth0
 virtual_ipaddress {
  10.0.0.1
 }
}
virtual_server_group g {
 10.0.0.1-3 80
}
virtual_server group g {
 lb_kind DR
 protocol TCP
 real_server 10.0.0.9 80 {
 }
}
`)
	if got.Interface != "eth0" || len(got.Services) != 3 || got.Services[0].Interface != "" || got.Services[2].Interface != "" {
		t.Errorf("got %+v", got)
	}
}

// TestMailServer: the host itself by its name, and a server elsewhere, are none of a sample's.
func TestMailServer(t *testing.T) {
	for server, want := range map[string]string{"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "203.0.113.5": "203.0.113.5"} {
		got, remarks := imported(t, strings.ReplaceAll(mission, "192.168.200.1", server))
		if got.Notify == nil || got.Notify.SMTP != want || strings.Contains(remarksText(remarks), "smtp_server") {
			t.Errorf("%s: %+v\n%s", server, got.Notify, remarksText(remarks))
		}
	}
}

// TestInstances: who carries a VIP, and what goes with it.
func TestInstances(t *testing.T) {
	const services = "virtual_server 10.0.0.1 80 {\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.9 80 {\n}\n}\n" +
		"virtual_server 10.1.0.1 80 {\nlb_kind DR\nprotocol TCP\nreal_server 10.1.0.9 80 {\n}\n}\n"
	got, remarks := imported(t, services+`global_defs {
 lvs_timeouts tcp 30 udp 60
}
vrrp_instance A {
 interface eth0
 state MASTER
 nopreempt
 priority 90
 unicast_src_ip 10.0.0.2
 virtual_ipaddress {
  10.0.0.1/24
  10.1.0.1 dev eth1
  10.2.0.1
 }
 authentication {
  auth_pass 123456789
 }
 notify_master /x
 strange
}
vrrp_instance B {
 interface eth1
 virtual_ipaddress {
  10.1.0.1
 }
}
net_namespace blue
`)
	want := described(t, `services:
  - {vip: 10.0.0.1, interface: eth0, scheduler: wlc, realServers: [{address: 10.0.0.9}]}
  - {vip: 10.1.0.1, interface: eth1, scheduler: wlc, realServers: [{address: 10.1.0.9}]}
directors: [{address: 10.0.0.2, priority: 90}]
timeouts: {tcp: 30s, udp: 60s}
`)
	if !got.Equal(want) {
		t.Errorf("got %+v", got)
	}
	told := remarksText(remarks)
	for _, want := range []string{
		"k:19: nopreempt does nothing beside state MASTER", "k:23: 10.0.0.1/24: lvsdr carries a VIP alone", "!k:25: 10.2.0.1 has no virtual_server",
		"k:28: auth_pass is longer than 8", "!k:30: notify_master: left out: lvsdr runs no scripts", "!k:31: strange: left out: lvsdr does not know it",
		"!k:39: net_namespace: left out", "!k:36: 10.1.0.1 is in vrrp_instance A too (line 16): two masters may have it at once",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("told\n%s\nwant %s", told, want)
		}
	}
}

// TestSamplesAreDescribed: of each sample of keepalived's, each keyword is carried over
// or told, and what comes out is right.
func TestSamplesAreDescribed(t *testing.T) {
	names, _ := filepath.Glob("/usr/share/doc/keepalived/samples/keepalived.conf.*")
	if len(names) == 0 {
		t.Skip("no samples of keepalived are installed")
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(name, data, Options{ID: "high"})
		if err != nil {
			continue
		}
		got, remarks := c.Cluster()
		for _, r := range remarks {
			if r.Line < 1 || r.File != name || r.Text == "" {
				t.Errorf("a remark without its place: %+v", r)
			}
			if strings.Contains(r.Text, "does not know it") {
				t.Errorf("a sample has what is not known: %s", r)
			}
		}
		if err := got.Validate(""); len(got.Services) > 0 && err != nil && !strings.Contains(err.Error(), "cannot be a real server") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
