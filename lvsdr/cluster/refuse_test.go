package cluster

import (
	"errors"
	"strings"
	"testing"
)

// service puts lines into a valid file's only service, at line 3 and column 5.
func service(lines ...string) string {
	return "services:\n  - vip: 10.10.10.22\n    " + strings.Join(lines, "\n    ") + "\n"
}

// servers puts a list into a valid file's only service: line 3, column 18.
func servers(list string) string { return service("realServers: " + list) }

// watched is service with engine keepalived, a line further down.
func watched(lines ...string) string { return "engine: keepalived\n" + service(lines...) }

func TestParseConfigRefuses(t *testing.T) {
	const vip = "services: [{vip: 10.0.0.1}]\n" // one valid line
	for _, tt := range []struct {
		name         string
		text         string
		line, column int
		path         string
		offending    string
		reason       string // a part of it
	}{
		// The text as such.
		{"empty", "", 1, 1, "", "", "it needs at least\nservices:"},
		{"only comments", "# nothing\n", 1, 1, "", "", "the configuration is empty"},
		{"null", "---\n", 1, 1, "", "", "the configuration is empty"},
		{"two documents", vip + "---\n" + vip, 2, 1, "", "---", "one is allowed"},
		{"broken second document", vip + "---\n[", 4, 1, "", "", "not YAML"},
		{"tab", "services:\n\t- vip: 10.0.0.1\n", 2, 1, "", "- vip: 10.0.0.1", "indented with spaces"},
		{"tab after spaces", "services:\n  - vip: 10.0.0.1\n  \tports: [80]\n", 3, 3, "", "ports: [80]", "here stands a tab"},
		{"wrong indent", "services:\n  - vip: 10.0.0.1\n   ports: [80]\n", 3, 4, "", "ports: [80]", "that begins at 2:3"},
		{"open list", service("ports: [80"), 4, 1, "", "", "that begins at 3:12"},
		{"open quote", service("scheduler: 'wrr"), 4, 1, "", "", "quoted scalar that begins at 3:16"},
		{"no colon", "services\n  - vip: 10.0.0.1\n", 2, 8, "", ": 10.0.0.1", "not YAML"},
		{"undefined alias", service("realServers: *all"), 3, 18, "", "*all", "unknown anchor"},
		{"control character", "services:\n  - vip: \x01\n", 2, 10, "", "\x01", "control characters"},
		{"not UTF-8", "services:\n  # \xff\n", 2, 5, "", "�", "if it is Latin-1, convert it: iconv -f latin1 -t utf-8"},
		{"a list", "- vip: 10.0.0.1\n", 1, 1, "", "- vip: 10.0.0.1", "interface, arpInterfaces, directors, engine, sync, vrrp, notify, services, timeouts, tuning, firewall or drain"},
		{"a word", "10.0.0.1\n", 1, 1, "", "10.0.0.1", "keys with values are wanted"},
		{"tag", service("scheduler: !!str wrr"), 3, 16, "services[0].scheduler", "!!str wrr", "without a tag"},
		{"alias bomb", "services: [" + bomb() + "]\n", 1, 3111, "services[256].ports[768]", "80, 80, 80, 80, 80, 80, 80, 80, 80, 80,…", "too large"},

		// Connection synchronisation.
		{"sync without an interface", vip + "sync: {}\n", 2, 7, "sync.interface", "", "the interface is wanted"},
		{"sync on lo", vip + "sync: {interface: lo}\n", 2, 19, "sync.interface", "lo", "no other director hears it"},
		{"sync id 0", vip + "sync: {interface: eth0, id: 0}\n", 2, 29, "sync.id", "0", "what any cluster tells"},
		{"sync id", vip + "sync: {interface: eth0, id: 256}\n", 2, 29, "sync.id", "256", "1 to 255"},
		{"sync group", vip + "sync: {interface: eth0, group: 10.0.0.9}\n", 2, 32, "sync.group", "10.0.0.9", "a multicast address"},
		{"sync port", vip + "sync: {interface: eth0, port: 70000}\n", 2, 31, "sync.port", "70000", "1 to 65535"},

		// Keys.
		{"unknown key", "services: [{vip: 10.0.0.1}]\nfoo: 1\n", 2, 1, "foo", "foo", "interface, arpInterfaces, directors, engine, sync, vrrp, notify, services, timeouts, tuning, firewall or drain"},
		{"unknown key in a service", service("port: 80"), 3, 5, "services[0].port", "port", "allowed here are vip, interface, ports"},
		{"unknown key in a server", servers("[{adress: 10.10.10.31}]"), 3, 20, "services[0].realServers[0].adress", "adress", "address, weight"},
		{"unknown key in timeouts", vip + "timeouts: {icmp: 1s}\n", 2, 12, "timeouts.icmp", "icmp", "tcp, tcpFin or udp"},
		{"case counts", "Services: []\n", 1, 1, "Services", "Services", "unknown key"},
		{"duplicate key", vip + "services: []\n", 2, 1, "services", "services", "given before, at line 1"},
		{"duplicate key in a server", servers("[{address: 10.0.0.1, address: 10.0.0.2}]"), 3, 39, "services[0].realServers[0].address", "address", "at line 3"},
		{"merge key", "services:\n  - &a {vip: 10.0.0.1}\n  - {<<: *a, ports: [81]}\n", 3, 6, "services[1].<<", "<<", "merge keys"},
		{"a list as key", "? [a]\n: b\n", 1, 3, "", "[a]", "unknown key"},

		// The kind of a value.
		{"null value", service("realServers:"), 3, 17, "services[0].realServers", "", "leave the key out"},
		{"list for a word", service("scheduler: [wrr]"), 3, 16, "services[0].scheduler", "[wrr]", "a single value"},
		{"word for a list", service("ports: 80"), 3, 12, "services[0].ports", "80", "a list is wanted"},
		{"word for keys", servers("[10.10.10.31]"), 3, 19, "services[0].realServers[0]", "10.10.10.31", "address, weight"},
		{"yes for true", service("ports: [53/udp]", "onePacket: yes"), 4, 16, "services[0].onePacket", "yes", "true or false"},
		{"quoted weight", servers(`[{address: 10.10.10.31, weight: "1"}]`), 3, 50, "services[0].realServers[0].weight", "1", "without quotes"},
		{"octal weight", servers("[{address: 10.10.10.31, weight: 010}]"), 3, 50, "services[0].realServers[0].weight", "010", "whole number"},
		{"fraction", servers("[{address: 10.10.10.31, weight: 0.5}]"), 3, 50, "services[0].realServers[0].weight", "0.5", "whole number"},

		// The engine and what needs keepalived.
		{"unknown engine", vip + "engine: haproxy\n", 2, 9, "engine", "haproxy", "ipvs or keepalived"},
		{"check without keepalived", service("check: {type: tcp}"), 3, 12, "services[0].check", "", "write engine: keepalived"},
		{"quorum without keepalived", service("quorum: 2"), 3, 13, "services[0].quorum", "2", "write engine: keepalived"},
		{"mails from nobody", "notify: {to: [a@b.org], smtp: 192.0.2.1}\n" + service(), 1, 9, "notify", "", "write engine: keepalived or vrrp"},
		{"mails to nobody", "notify: {smtp: 192.0.2.1}\n" + watched(), 1, 9, "notify.to", "", "such as to: [ops@example.org]"},
		{"mails to a name", "notify: {to: [a@b.org, root], smtp: 192.0.2.1}\n" + watched(), 1, 24, "notify.to[1]", "root", "such as ops@example.org"},
		{"mails of a block", "notify: {to: ['a{@b.org'], smtp: 192.0.2.1}\n" + watched(), 1, 15, "notify.to[0]", "a{@b.org", "such as ops@example.org"},
		{"mails from a name", "notify: {to: [a@b.org], from: '\"LVS\" <a@b.org>', smtp: 192.0.2.1}\n" + watched(), 1, 31, "notify.from", `"LVS" <a@b.org>`, "such as lvs@example.org"},
		{"mails without a server", "notify: {to: [a@b.org]}\n" + watched(), 1, 9, "notify.smtp", "", "such as 192.0.2.1"},
		{"mails by a name", "notify: {to: [a@b.org], smtp: mail.example.org}\n" + watched(), 1, 31, "notify.smtp", "mail.example.org", "before DNS does"},
		{"mails by port 0", "notify: {to: [a@b.org], smtp: '192.0.2.1:0'}\n" + watched(), 1, 31, "notify.smtp", "192.0.2.1:0", "such as 192.0.2.1"},
		{"a short key", "directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: {authHmac: abcd}\n" + service(), 2, 18, "vrrp.authHmac", "****", "openssl rand -hex 32"},
		{"a key beside a password", "directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: {auth: x, authHmac: " + strings.Repeat("ab", 32) + "}\n" + service(), 2, 27, "vrrp.authHmac", "*********", "leave out auth"},
		{"a long password", "directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: {auth: '123456789'}\n" + service(), 2, 14, "vrrp.auth", "*********", "8 characters, which travel in clear text"},
		{"inhibit without keepalived", service("inhibit: true"), 3, 14, "services[0].inhibit", "true", "write engine: keepalived"},
		{"sorry server without keepalived", "engine: ipvs\n" + service("sorryServer: 10.10.10.40"), 4, 18, "services[0].sorryServer", "10.10.10.40", "write engine: keepalived"},
		{"unknown check", watched("check: {type: ldap}"), 4, 19, "services[0].check.type", "ldap", "tcp, udp, http, https, ping, dns, smtp or misc"},
		{"dns without a name", watched("ports: [53/udp]", "check: {type: dns}"), 5, 12, "services[0].check.name", "", "needs a name that the real servers can answer for"},
		{"name without dns", watched("check: {name: www.example.org}"), 4, 19, "services[0].check.name", "www.example.org", "only the types dns and smtp"},
		{"name of no domain", watched("check: {type: smtp, name: a b}"), 4, 31, "services[0].check.name", "a b", "a domain name is wanted"},
		{"dns to a TCP port", watched("check: {type: dns, name: example.org}"), 4, 19, "services[0].check.type", "dns", "cannot ask port 80"},
		{"record", watched("ports: [53/udp]", "check: {type: dns, name: example.org, record: PTR}"), 5, 51, "services[0].check.record", "PTR", "A, AAAA, NS, CNAME, SOA, MX or TXT"},
		{"record without dns", watched("check: {record: A}"), 4, 21, "services[0].check.record", "A", "only the type dns"},
		{"misc without a script", watched("check: {type: misc}"), 4, 12, "services[0].check.script", "", "needs a script: its full path"},
		{"script without misc", watched("check: {script: /x}"), 4, 21, "services[0].check.script", "/x", "only the type misc"},
		{"user without a script", watched("check: {user: root}"), 4, 19, "services[0].check.user", "root", "only the type misc"},
		{"script without a path", watched("check: {type: misc, script: x}"), 4, 33, "services[0].check.script", "x", "the full path of the script"},
		{"script of a shell", watched("check: {type: misc, script: '/x $HOME'}"), 4, 33, "services[0].check.script", "/x $HOME", "no shell reads them"},
		{"unknown braces", watched("check: {type: misc, script: '/x {rip}'}"), 4, 33, "services[0].check.script", "/x {rip}", "{address}, {port} or {vip}"},
		{"port of a script", watched("check: {type: misc, script: /x, port: 80}"), 4, 43, "services[0].check.port", "80", "among its arguments"},
		{"no port of a script", watched("ports: [0]", "persistence: 20s", "check: {type: misc, script: '/x {port}'}"), 6, 33, "services[0].check.script", "/x {port}", "of every port has no {port}"},
		{"user", watched("check: {type: misc, script: /x, user: 'a b'}"), 4, 43, "services[0].check.user", "a b", "the name of a user"},
		{"check's port", watched("check: {port: 65536}"), 4, 19, "services[0].check.port", "65536", "1 to 65535"},
		{"ping with a port", watched("check: {type: ping, port: 80}"), 4, 31, "services[0].check.port", "80", "a ping has no port"},
		{"every port asked", watched("ports: [0]", "persistence: 20s", "check: {type: tcp}"), 6, 12, "services[0].check.port", "", "port: 80"},
		{"tcp to a UDP port", watched("ports: [53/udp]", "check: {type: tcp}"), 5, 19, "services[0].check.type", "tcp", "cannot ask port 53/udp"},
		{"udp to a TCP port", watched("check: {type: udp}"), 4, 19, "services[0].check.type", "udp", "cannot ask port 80"},
		{"interval in parts", watched("check: {interval: 1500ms}"), 4, 23, "services[0].check.interval", "1500ms", "whole seconds"},
		{"long timeout", watched("check: {timeout: 2h}"), 4, 22, "services[0].check.timeout", "2h", "at most 1h0m0s"},
		{"retries", watched("check: {retries: -1}"), 4, 22, "services[0].check.retries", "-1", "from 0 to 100"},
		{"path without http", watched("check: {path: /}"), 4, 19, "services[0].check.path", "/", "only the types http and https"},
		{"path", watched("check: {type: http, path: health}"), 4, 31, "services[0].check.path", "health", "such as /health"},
		{"no path", watched("check: {type: https}"), 4, 12, "services[0].check.path", "", "such as path: /health"},
		{"status without http", watched("check: {status: 200}"), 4, 21, "services[0].check.status", "200", "only the types http and https"},
		{"status", watched("check: {type: https, path: /, status: 99}"), 4, 43, "services[0].check.status", "99", "100 to 599"},
		{"quorum", watched("quorum: -1"), 4, 13, "services[0].quorum", "-1", "1 or more"},
		{"too high a quorum", watched("quorum: 3", "realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]"), 4, 13, "services[0].quorum", "3", "all weights together, 2"},
		{"sorry server of the other family", watched("sorryServer: 2001:db8::40"), 4, 18, "services[0].sorryServer", "2001:db8::40", "needs IPv4"},
		{"the VIP as sorry server", watched("sorryServer: 10.10.10.22"), 4, 18, "services[0].sorryServer", "10.10.10.22", "cannot be a real server"},
		{"a real server as sorry server", watched("sorryServer: 10.10.10.31", "realServers: [{address: 10.10.10.31}]"), 4, 18, "services[0].sorryServer", "10.10.10.31", "the sorry server takes over"},
		{"a director as sorry server", "directors: [{address: 10.10.10.40}]\n" + watched("sorryServer: 10.10.10.40"), 1, 23, "directors[0].address", "10.10.10.40", "is a real server too"},

		// Services and addresses.
		{"no services", "interface: eth0\n", 1, 1, "services", "", "at least one service"},
		{"empty services", "services: []\n", 1, 11, "services", "", "at least one service"},
		{"no vip", "services:\n  - ports: [80]\n", 2, 5, "services[0].vip", "", "needs its vip"},
		{"host name as vip", "services: [{vip: www.example.org}]\n", 1, 18, "services[0].vip", "www.example.org", "not a name"},
		{"host name as real server", servers("[{address: web1}]"), 3, 29, "services[0].realServers[0].address", "web1", "not a name"},
		{"vip with mask", "services: [{vip: 10.0.0.1/32}]\n", 1, 18, "services[0].vip", "10.0.0.1/32", "without a mask is wanted: 10.0.0.1"},
		{"vip with port", "services: [{vip: 10.0.0.1:80}]\n", 1, 18, "services[0].vip", "10.0.0.1:80", "stand under ports"},
		{"port mapping", servers("[{address: 10.10.10.31:8080}]"), 3, 29, "services[0].realServers[0].address", "10.10.10.31:8080", "never rewrites ports"},
		{"port mapping, IPv6", servers(`[{address: "[2001:db8::31]:8080"}]`), 3, 29, "services[0].realServers[0].address", "[2001:db8::31]:8080", "never rewrites ports"},
		{"leading zero", "services: [{vip: 10.0.0.01}]\n", 1, 18, "services[0].vip", "10.0.0.01", "without leading zeros"},
		{"wrong IPv6", "services: [{vip: 'fe80:::1'}]\n", 1, 18, "services[0].vip", "fe80:::1", "not an IPv6 address"},
		{"zone", "services: [{vip: fe80::1%eth0}]\n", 1, 18, "services[0].vip", "fe80::1%eth0", "leave out %eth0"},
		{"unspecified", "services: [{vip: 0.0.0.0}]\n", 1, 18, "services[0].vip", "0.0.0.0", "unspecified"},
		{"zero net", "services: [{vip: 0.1.2.3}]\n", 1, 18, "services[0].vip", "0.1.2.3", "unspecified"},
		{"unspecified IPv6", "services: [{vip: '::'}]\n", 1, 18, "services[0].vip", "::", "unspecified"},
		{"loopback", "services: [{vip: 127.0.0.1}]\n", 1, 18, "services[0].vip", "127.0.0.1", "loopback"},
		{"loopback IPv6", servers("[{address: '::1'}]"), 3, 29, "services[0].realServers[0].address", "::1", "loopback"},
		{"multicast", "services: [{vip: 224.0.0.18}]\n", 1, 18, "services[0].vip", "224.0.0.18", "multicast"},
		{"multicast IPv6", "services: [{vip: 'ff02::1'}]\n", 1, 18, "services[0].vip", "ff02::1", "multicast"},
		{"broadcast", servers("[{address: 255.255.255.255}]"), 3, 29, "services[0].realServers[0].address", "255.255.255.255", "broadcast"},
		{"IPv4-mapped", "services: [{vip: '::ffff:10.0.0.1'}]\n", 1, 18, "services[0].vip", "::ffff:10.0.0.1", "written as such: 10.0.0.1"},
		{"link-local", "services: [{vip: 'fe80::1'}]\n", 1, 18, "services[0].vip", "fe80::1", "link-local"},
		{"vip as real server", servers("[{address: 10.10.10.31}, {address: 10.10.10.22}]"), 3, 53, "services[0].realServers[1].address", "10.10.10.22", "the VIP of services[0].vip cannot be a real server"},
		{"later vip as real server", servers("[{address: 10.10.10.23}]") + "  - vip: 10.10.10.23\n", 3, 29, "services[0].realServers[0].address", "10.10.10.23", "the VIP of services[1].vip"},
		{"address twice", servers("[{address: 10.10.10.31}, {address: 10.10.10.32}, {address: 10.10.10.31}]"), 3, 77, "services[0].realServers[2].address", "10.10.10.31", "realServers[0] already"},
		{"mixed families", servers("[{address: '2001:db8::31'}]"), 3, 29, "services[0].realServers[0].address", "2001:db8::31", "an IPv4 VIP needs IPv4 real servers"},
		{"mixed families, IPv6", "services: [{vip: '2001:db8::1', realServers: [{address: 10.0.0.1}]}]\n", 1, 57, "services[0].realServers[0].address", "10.0.0.1", "an IPv6 VIP needs IPv6"},
		{"address missing", servers("[{weight: 1}]"), 3, 19, "services[0].realServers[0].address", "", "needs its address"},
		{"IPv6 with mapped twin", "services: [{vip: '2001:db8::1'}, {vip: '2001:0db8:0:0::1'}]\n", 1, 34, "services[1].ports[0]", "80", "2001:db8::1 port 80/tcp is given before, in services[0].ports[0]"},

		// Ports.
		{"port twice", service("ports: [80, 443, 80/tcp]"), 3, 22, "services[0].ports[2]", "80/tcp", "given before, in services[0].ports[0]"},
		{"port in two services", "services:\n  - {vip: 10.0.0.1, ports: [443, 80]}\n  - {vip: 10.0.0.1}\n", 3, 5, "services[1].ports[0]", "80", "services[0].ports[1]"},
		{"port mapping as a port", service("ports: ['80:8080']"), 3, 13, "services[0].ports[0]", "80:8080", "never rewrites ports"},
		{"port range", service("ports: [8000-8010]"), 3, 13, "services[0].ports[0]", "8000-8010", "a range of ports"},
		{"port too high", service("ports: [65536]"), 3, 13, "services[0].ports[0]", "65536", "0 to 65535"},
		{"negative port", service("ports: [-1]"), 3, 13, "services[0].ports[0]", "-1", "0 to 65535"},
		{"port name", service("ports: [http]"), 3, 13, "services[0].ports[0]", "http", "0 to 65535"},
		{"octal port", service("ports: [080]"), 3, 13, "services[0].ports[0]", "080", "0 to 65535"},
		{"protocol", service("ports: [80/icmp]"), 3, 13, "services[0].ports[0]", "80/icmp", "tcp, udp or sctp"},
		{"port 0 without persistence", service("ports: [0]"), 3, 13, "services[0].ports[0]", "0", "needs persistence"},
		{"a null port", service("ports: [80, ~]"), 3, 17, "services[0].ports[1]", "~", "nothing stands here"},

		// Schedulers.
		{"unknown scheduler", service("scheduler: wwr"), 3, 16, "services[0].scheduler", "wwr", "rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf or twos"},
		{"unknown flag", service("scheduler: sh", "schedulerFlags: [flag-1]"), 4, 22, "services[0].schedulerFlags[0]", "flag-1", "sh-fallback and sh-port with sh"},
		{"flag without scheduler", service("schedulerFlags: [sh-port]"), 3, 22, "services[0].schedulerFlags[0]", "sh-port", "the scheduler wrr has no such flag"},
		{"other scheduler's flag", service("scheduler: mh", "schedulerFlags: [mh-port, sh-port]"), 4, 31, "services[0].schedulerFlags[1]", "sh-port", "the scheduler mh has no such flag"},
		{"flag twice", service("scheduler: mh", "schedulerFlags: [mh-port, mh-port]"), 4, 31, "services[0].schedulerFlags[1]", "mh-port", "given once"},
		{"one packet on tcp", service("ports: [53/udp, 53]", "onePacket: true"), 4, 16, "services[0].onePacket", "true", "port 53/tcp is not"},

		// Weights and thresholds.
		{"weight too high", servers("[{address: 10.10.10.31, weight: 65536}]"), 3, 50, "services[0].realServers[0].weight", "65536", "0 to 65535"},
		{"weight far too high", servers("[{address: 10.10.10.31, weight: 99999999999999999999}]"), 3, 50, "services[0].realServers[0].weight", "99999999999999999999", "0 to 65535"},
		{"negative weight", servers("[{address: 10.10.10.31, weight: -1}]"), 3, 50, "services[0].realServers[0].weight", "-1", "0 to 65535"},
		{"lower above upper", servers("[{address: 10.10.10.31, upperThreshold: 10, lowerThreshold: 11}]"), 3, 78, "services[0].realServers[0].lowerThreshold", "11", "above upperThreshold, which is 10"},
		{"lower without upper", servers("[{address: 10.10.10.31, lowerThreshold: 1}]"), 3, 58, "services[0].realServers[0].lowerThreshold", "1", "which is 0"},
		{"negative threshold", servers("[{address: 10.10.10.31, upperThreshold: -1}]"), 3, 58, "services[0].realServers[0].upperThreshold", "-1", "0 to 4294967295"},

		// Durations.
		{"persistence without unit", service("persistence: 20"), 3, 18, "services[0].persistence", "20", "needs its unit, h, m or s: 20s"},
		{"persistence in words", service("persistence: forever"), 3, 18, "services[0].persistence", "forever", "20s, 1m30s"},
		{"negative persistence", service("persistence: -20s"), 3, 18, "services[0].persistence", "-20s", "negative"},
		{"persistence below a second", service("persistence: 1500ms"), 3, 18, "services[0].persistence", "1500ms", "whole seconds"},
		{"persistence too long", service("persistence: 2147484s"), 3, 18, "services[0].persistence", "2147484s", "at most 2147483s"},
		{"netmask without persistence", service("persistenceNetmask: 24"), 3, 25, "services[0].persistenceNetmask", "24", "needs persistence"},
		{"netmask too long", service("persistence: 20s", "persistenceNetmask: 33"), 4, 25, "services[0].persistenceNetmask", "33", "1 to 32"},
		{"negative netmask", service("persistence: 20s", "persistenceNetmask: -1"), 4, 25, "services[0].persistenceNetmask", "-1", "1 to 32"},
		{"dotted netmask", service("persistence: 20s", "persistenceNetmask: 255.255.255.0"), 4, 25, "services[0].persistenceNetmask", "255.255.255.0", "whole number"},
		{"netmask of IPv6", "services: [{vip: '2001:db8::1', persistence: 1s, persistenceNetmask: 129}]\n", 1, 70, "services[0].persistenceNetmask", "129", "1 to 128"},
		{"timeout without unit", vip + "timeouts: {tcp: 30}\n", 2, 17, "timeouts.tcp", "30", "30s"},
		{"timeout below a second", vip + "timeouts: {tcpFin: 500ms}\n", 2, 20, "timeouts.tcpFin", "500ms", "whole seconds"},
		{"timeout too long", vip + "timeouts: {udp: 600h}\n", 2, 17, "timeouts.udp", "600h", "2147483s"},
		{"too many rows", vip + "tuning: {connTabBits: 22}\n", 2, 23, "tuning.connTabBits", "22", "8 to 20"},
		{"too few rows", vip + "tuning: {connTabBits: -1}\n", 2, 23, "tuning.connTabBits", "-1", "8 to 20"},
		{"timeout overflow", vip + "timeouts: {udp: 99999999h}\n", 2, 17, "timeouts.udp", "99999999h", "a duration is wanted"},
		{"negative drain", vip + "drain: -1s\n", 2, 8, "drain", "-1s", "negative"},

		// The host.
		{"long interface", vip + "interface: enx00112233445566\n", 2, 12, "interface", "enx00112233445566", "15 characters"},
		{"interface with blank", vip + "interface: eth 0\n", 2, 12, "interface", "eth 0", "no blanks"},
		{"interface with slash", vip + "interface: eth/0\n", 2, 12, "interface", "eth/0", "no /"},
		{"interface with label", vip + "interface: eth0:0\n", 2, 12, "interface", "eth0:0", "without a label"},
		{"loopback interface", vip + "interface: lo\n", 2, 12, "interface", "lo", "not be announced"},
		{"silent on all", vip + "arpInterfaces: [eth0, all]\n", 2, 23, "arpInterfaces[1]", "all", "without any, all are silent"},
		{"silent on one twice", vip + "arpInterfaces: [eth0, eth1, eth0]\n", 2, 29, "arpInterfaces[2]", "eth0", "twice"},
		{"silent on a label", vip + "arpInterfaces: [eth0:0]\n", 2, 17, "arpInterfaces[0]", "eth0:0", "without a label"},
		{"interface dots", vip + "interface: ..\n", 2, 12, "interface", "..", "an interface name"},
		{"unknown firewall", vip + "firewall: pf\n", 2, 11, "firewall", "pf", "auto, firewalld, ufw, nftables, iptables or none"},

		// Directors and interfaces.
		{"director a VIP", "services: [{vip: 10.0.0.1}]\ndirectors: [{address: 10.0.0.1}]\n", 2, 23, "directors[0].address", "10.0.0.1", "the VIP of services[0].vip cannot be a director"},
		{"director a real server", service("realServers: [{address: 10.0.0.3}]") + "directors: [{address: 10.0.0.3}]\n", 4, 23, "directors[0].address", "10.0.0.3", "its own real server"},
		{"director twice", vip + "directors: [{address: 10.0.0.3}, {address: 10.0.0.3}]\n", 2, 44, "directors[1].address", "10.0.0.3", "directors[0] already"},
		{"director without address", vip + "directors: [{priority: 90}]\n", 2, 13, "directors[0].address", "", "needs its address"},
		{"director's priority 0", vip + "directors: [{address: 10.0.0.3, priority: 0}]\n", 2, 43, "directors[0].priority", "0", "1 to 254"},
		{"director's priority 255", vip + "directors: [{address: 10.0.0.3, priority: 255}]\n", 2, 43, "directors[0].priority", "255", "1 to 254"},
		{"director's name", vip + "directors: [{address: dev-1}]\n", 2, 23, "directors[0].address", "dev-1", "not a name"},
		{"a service's interface", service("interface: lo"), 3, 16, "services[0].interface", "lo", "the LAN interface is wanted"},
		{"a VIP on two interfaces", "services:\n  - {vip: 10.0.0.1, interface: eth0}\n  - {vip: 10.0.0.1, ports: [81], interface: eth1}\n", 3, 45,
			"services[1].interface", "eth1", "on interface eth0 in a service before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseConfig("f.yaml", []byte(tt.text))
			var e *ConfigError
			if !errors.As(err, &e) {
				t.Fatalf("got %+v, %v", c, err)
			}
			if e.File != "f.yaml" || e.Line != tt.line || e.Column != tt.column || e.Text != tt.offending ||
				tt.path != "" && e.Path != tt.path || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("got  %d:%d %s %q: %s\nwant %d:%d %s %q: …%s…",
					e.Line, e.Column, e.Path, e.Text, e.Reason, tt.line, tt.column, tt.path, tt.offending, tt.reason)
			}
			if err.Error() != e.Error() {
				t.Errorf("more than one error: %v", err)
			}
		})
	}
}

// bomb makes a small text large by aliases: 1024 services with 1024 ports.
func bomb() string {
	return "{vip: 10.0.0.1, ports: &p [" + strings.Repeat("80, ", 1024) + "]}" + strings.Repeat(", &s {vip: 10.0.0.1, ports: *p}", 1100)
}
