package doctor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

const conf = "/etc/keepalived/keepalived.conf"

// fine is keepalived's configuration of a director with two VIPs.
const fine = `vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        10.10.10.22
        10.10.10.23
    }
}
virtual_server 10.10.10.22 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind DR
    protocol TCP
    alpha
    real_server 10.10.10.31 80 {
        TCP_CHECK {
        }
    }
    real_server 10.10.10.32 80 {
        TCP_CHECK {
        }
    }
}
virtual_server 10.10.10.23 80 {
    delay_loop 6
    lb_algo rr
    lb_kind DR
    protocol TCP
    alpha
    sorry_server 10.10.10.40 80
    real_server 10.10.10.32 80 {
        TCP_CHECK {
        }
    }
}`

const fineTable = `modprobe ip_vs_wrr
modprobe ip_vs_rr
ipvsadm -A -t 10.10.10.22:80 -s wrr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 0
ipvsadm -A -t 10.10.10.23:80 -s rr
ipvsadm -a -t 10.10.10.23:80 -r 10.10.10.40:80 -g -w 1
ip addr add 10.10.10.22/32 dev eth0
ip addr add 10.10.10.23/32 dev eth0`

const twoOfKeepalived = `services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}, {vip: 10.10.10.23, realServers: [{address: 10.10.10.32}]}]`

var keepalivedCodes = []string{"keepalived-unit", "keepalived-conf", "keepalived-table", "firewall-vrrp"}

const enabled = "\nmkdir -p /etc/systemd/system/multi-user.target.wants\nln -s /lib/systemd/system/keepalived.service /etc/systemd/system/multi-user.target.wants/keepalived.service"

func TestKeepalivedChecks(t *testing.T) {
	for _, test := range []struct {
		name, old, new string // in its configuration
		commands       string
		rules          string // of iptables
		want           []string
	}{
		{name: "as it should be"},
		{name: "its rules let VRRP in", rules: ":INPUT DROP [0:0]\n-A INPUT -p vrrp -j ACCEPT\n"},
		{name: "no lb_kind of the second", old: "lb_algo rr\n    lb_kind DR", new: "lb_algo rr", want: []string{
			"warning keepalived-conf: " + conf + ":26: virtual_server 10.10.10.23 80 has no lb_kind: keepalived forwards to its real servers by NAT"}},
		{name: "checks every minute", old: "delay_loop 6", new: "delay_loop 60", want: []string{
			"warning keepalived-conf: " + conf + ":12: delay_loop 60 has its real servers looked at every minute"}},
		{name: "no alpha at all", old: "    alpha\n", new: "", want: []string{
			"warning keepalived-conf: " + conf + ":11: virtual_server 10.10.10.22 80, " + conf + ":25: virtual_server 10.10.10.23 80 has no alpha"}},
		{name: "strict", old: "vrrp_instance VI_1 {", new: "vrrp_instance VI_1 {\n    strict_mode on", want: []string{"warning keepalived-conf: " + conf + ":2: strict_mode on has keepalived drop"}},
		{name: "nopreempt", old: "state BACKUP", new: "state MASTER\n    nopreempt", want: []string{"warning keepalived-conf: " + conf + ":3: nopreempt does nothing beside state MASTER"}},
		{name: "password", old: "priority 100", new: "authentication {\n auth_type PASS\n auth_pass 123456789\n}", want: []string{
			"warning keepalived-conf: " + conf + ":7: auth_pass 123456789 is longer than the 8 characters"}},
		{name: "no such interface", old: "interface eth0", new: "interface eth9", want: []string{
			"failure keepalived-conf: " + conf + ":1: vrrp_instance VI_1 is on the interface eth9, which this host does not have"}},
		{name: "another's address", old: "priority 100", new: "unicast_src_ip 10.10.10.33\n unicast_peer {\n 10.10.10.34\n}", want: []string{
			"failure keepalived-conf: " + conf + ":1: vrrp_instance VI_1 speaks from 10.10.10.33 (unicast_src_ip), which is no address of this host"}},
		{name: "unreadable", old: "virtual_router_id 51", new: "virtual_router_id 51 {", want: []string{
			"unknown keepalived-conf: ", "unknown keepalived-table: ", "unknown firewall-vrrp: "}},
		{name: "gone from the table", commands: "ipvsadm -D -t 10.10.10.23:80", want: []string{
			"failure keepalived-table: keepalived's configuration has the virtual_server tcp 10.10.10.23:80, and the IPVS table has no such service | " +
				"ipvsadm -A -t 10.10.10.23:80 -s rr && ipvsadm -a -t 10.10.10.23:80 -r 10.10.10.32:80 -g -w 1 | systemctl reload keepalived does not mend it"}},
		{name: "gone, and by NAT", old: "lb_algo rr\n    lb_kind DR", new: "lb_algo rr\n    lb_kind NAT", commands: "ipvsadm -D -t 10.10.10.23:80", want: []string{
			"failure keepalived-table: keepalived's configuration has the virtual_server tcp 10.10.10.23:80, and the IPVS table has no such service |  | "}},
		{name: "another scheduler", commands: "ipvsadm -E -t 10.10.10.22:80 -s rr", want: []string{
			"warning keepalived-table: tcp 10.10.10.22:80 is in the IPVS table otherwise than in keepalived's configuration: scheduler rr, in the file wrr | ipvsadm -E -t 10.10.10.22:80 -s wrr | "}},
		{name: "persistent", commands: "ipvsadm -E -t 10.10.10.22:80 -s wrr -p 20", want: []string{
			"warning keepalived-table: tcp 10.10.10.22:80 is in the IPVS table otherwise than in keepalived's configuration: persistence 20s, in the file 0s | ipvsadm -E -t 10.10.10.22:80 -s wrr | "}},
		{name: "a real server that it does not know", commands: "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.99:80 -g -w 1", want: []string{
			"warning keepalived-table: tcp 10.10.10.22:80 has the real server 10.10.10.99:80, which keepalived's configuration has not"}},
		{name: "the same, drained", commands: "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.99:80 -g -w 0"},
		{name: "VRRP is not let in", rules: ":INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\n", want: []string{
			`failure firewall-vrrp: "iptables-legacy INPUT: policy DROP" drops the VRRP advertisements that other directors send (` + conf + `:1: vrrp_instance VI_1) | iptables-legacy -w -I INPUT 1 -p 112 -j ACCEPT | `}},
		{name: "nor out", rules: "-A OUTPUT -d 224.0.0.0/8 -j DROP\n", want: []string{
			`failure firewall-vrrp: "iptables-legacy OUTPUT: -d 224.0.0.0/8 -j DROP" drops the VRRP advertisements that this director sends`}},
		{name: "a peer is not let in", old: "priority 100", new: "unicast_src_ip 10.10.10.30\n unicast_peer {\n 10.10.10.33\n}",
			rules: "-A INPUT -s 10.10.10.33 -j DROP\n", want: []string{
				`failure firewall-vrrp: "iptables-legacy INPUT: -s 10.10.10.33 -j DROP" drops the VRRP advertisements of 10.10.10.33`}},
		{name: "multicast is not let in, and it has peers", old: "priority 100", new: "unicast_src_ip 10.10.10.30\n unicast_peer {\n 10.10.10.33\n}",
			rules: "-A INPUT -d 224.0.0.0/8 -j DROP\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := lvsdrtest.Director(strings.Split(fineTable, "\n")...)
			for _, c := range []string{"ps add keepalived\nmkdir -p /etc/keepalived\n" + write(conf, strings.ReplaceAll(fine, test.old, test.new)), test.commands} {
				if err := w.Run(c); err != nil {
					t.Fatal(err)
				}
			}
			if test.old == "" || test.name == "checks every minute" || strings.HasPrefix(test.name, "password") {
				once := strings.Replace(fine, test.old, test.new, 1)
				if err := w.Run(write(conf, once)); err != nil {
					t.Fatal(err)
				}
			}
			w.SetRules(*filter.Join(filter.ParseIptables("iptables-legacy", test.rules)))
			before := w.Dump()
			begin(t, ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, keepalivedCodes...), test.want...)
			if w.Dump() != before {
				t.Error("the doctor changed the host")
			}
		})
	}
}

// The commands about the table and the filter mend, in place.
func TestFixesOfKeepalivedTable(t *testing.T) {
	for _, broken := range []string{
		"ipvsadm -D -t 10.10.10.23:80", "ipvsadm -E -t 10.10.10.22:80 -s rr", "ipvsadm -E -t 10.10.10.22:80 -s wrr -p 20",
		"ipvsadm -D -t 10.10.10.23:80\nipvsadm -D -t 10.10.10.22:80",
	} {
		w := lvsdrtest.Director(strings.Split(fineTable, "\n")...)
		if err := w.Run("ps add keepalived\nmkdir -p /etc/keepalived\n" + write(conf, fine) + "\n" + broken); err != nil {
			t.Fatal(err)
		}
		found := ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, "keepalived-table")
		if len(found) == 0 {
			t.Errorf("%s: not seen", broken)
		}
		for _, f := range found {
			if err := w.Run(strings.ReplaceAll(strings.Split(f, " | ")[1], " && ", "\n")); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
		begin(t, ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, "keepalived-table"))
	}
}

// Without a file the unit is left out, and nobody says so.
func TestKeepalivedUnit(t *testing.T) {
	for name, test := range map[string]struct {
		commands string
		want     []string
	}{
		"no file":       {enabled, []string{"warning keepalived-unit: keepalived.service is enabled and does not start: " + conf + " is not there"}},
		"an empty file": {enabled + "\nmkdir -p /etc/keepalived\ncat >" + conf + " <<'E'\nE", []string{"warning keepalived-unit: keepalived.service is enabled and does not start: " + conf + " is empty"}},
		"a file":        {enabled + "\nmkdir -p /etc/keepalived\n" + write(conf, "# later"), nil},
		"another file":  {enabled + "\nps add keepalived", nil},
		"not enabled":   {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := lvsdrtest.Director()
			if err := w.Run(strings.TrimPrefix(test.commands, "\n")); err != nil {
				t.Fatal(err)
			}
			begin(t, ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, "keepalived-unit"), test.want...)
		})
	}
}

// Where keepalived -t refuses the file for another flaw, a command that reads it anew
// afterwards would end there: none is printed.
func TestNoFixOfRefusedKeepalivedConf(t *testing.T) {
	for _, beside := range [][2]string{
		{"state BACKUP", "state MASTER\n    nopreempt"},
		{"priority 100", "priority 100\n    authentication {\n auth_type PASS\n auth_pass 123456789\n}"},
		{"lb_algo rr\n    lb_kind DR", "lb_algo rr"},
		{"interface eth0", "interface eth9"},
	} {
		w := lvsdrtest.Director()
		text := strings.Replace(strings.ReplaceAll(fine, "    alpha\n", ""), beside[0], beside[1], 1)
		if err := w.Run("ps add keepalived\nmkdir -p /etc/keepalived\n" + write(conf, text)); err != nil {
			t.Fatal(err)
		}
		found := ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, "keepalived-conf")
		if len(found) != 2 {
			t.Errorf("with %q: %q", beside[1], found)
		}
		for _, f := range found {
			if parts := strings.Split(f, " | "); strings.Contains(f, "has no alpha") && (parts[1] != "" || strings.Contains(parts[2], "sed")) {
				t.Errorf("with %q: %q", beside[1], f)
			}
		}
	}
}

// The command that writes what a block lacks does it, with a real sed, and the file
// is then loaded only when keepalived takes it.
func TestFixesOfKeepalivedConf(t *testing.T) {
	for _, lacking := range []string{"    delay_loop 6\n", "    alpha\n", "    lb_kind DR\n"} {
		w := lvsdrtest.Director()
		if err := w.Run("ps add keepalived\nmkdir -p /etc/keepalived\n" + write(conf, strings.ReplaceAll(fine, lacking, ""))); err != nil {
			t.Fatal(err)
		}
		found := ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, "keepalived-conf")
		if len(found) != 1 {
			t.Fatalf("without %q: %q", lacking, found)
		}
		parts := strings.Split(found[0], " | ")
		fix := parts[1]
		if fix == "" { // for a person to decide
			_, fix, _ = strings.Cut(parts[2], "write lb_kind DR into the block: ")
		}
		got := edited(t, fix, strings.ReplaceAll(fine, lacking, ""))
		c, err := keepalived.Parse(conf, []byte(got), keepalived.Options{})
		if err != nil || len(c.Flaws()) > 0 {
			t.Errorf("%s leaves %v, %v:\n%s", fix, c.Flaws(), err, got)
		}
	}
	// A block that is not to be told from another one is for a person.
	w := lvsdrtest.Director()
	twice := strings.ReplaceAll(fine, "10.10.10.23 80 {", "10.10.10.22 80 {")
	if err := w.Run("ps add keepalived\nmkdir -p /etc/keepalived\n" + write(conf, strings.ReplaceAll(twice, "    alpha\n", ""))); err != nil {
		t.Fatal(err)
	}
	if found := ofWire(t, cluster.DirectorRole, twoOfKeepalived, w, "keepalived-conf"); len(found) != 1 || strings.Split(found[0], " | ")[1] != "" {
		t.Errorf("of two blocks alike one is edited: %q", found)
	}
}

// edited runs a command on a file in place of keepalived's, with a keepalived and a
// systemctl that only write down that they were called.
func edited(t *testing.T, command, text string) string {
	t.Helper()
	dir := t.TempDir()
	file, calls := filepath.Join(dir, "keepalived.conf"), filepath.Join(dir, "calls")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keepalived", "systemctl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+name+" \"$@\" >>"+calls+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-ec", strings.ReplaceAll(command, conf, file))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", command, err, out)
	}
	called, _ := os.ReadFile(calls)
	if string(called) != "keepalived -t\nsystemctl reload keepalived\n" {
		t.Errorf("%s calls %q", command, called)
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(after)
}

// A real server whose own table balances what it is sent is named; a director that is
// one of its own real servers is not, nor a table of other services.
func TestSecondBalancer(t *testing.T) {
	const table = "modprobe ip_vs_wrr\nip addr add 10.10.10.22/32 dev lo\nip addr add 10.10.10.23/32 dev lo\nipvsadm -A -t 10.10.10.23:80 -s wrr\nipvsadm -a -t 10.10.10.23:80 -r 10.10.10.31:80 -g -w 1\n"
	const other = "ipvsadm -a -t 10.10.10.23:80 -r 10.10.10.32:80 -g -w 1\n"
	const named = "second-balancer: the IPVS table here has the service tcp 10.10.10.23:80 with the real servers 10.10.10.32:80: what the director sends this host goes on to them"
	for name, test := range map[string]struct {
		commands string
		want     []string
	}{
		"none":             {"", nil},
		"itself alone":     {table, nil},
		"another":          {table + other, []string{"failure " + named + " |  | if this host is a real server alone, take the service out: ipvsadm -D -t 10.10.10.23:80. "}},
		"another, drained": {table + strings.Replace(other, "-w 1", "-w 0", 1), nil},
		"backup_only":      {table + other + "sysctl -w net.ipv4.vs.backup_only=1", []string{"warning " + named}},
		"the director":     {table + other + "ip addr add 10.10.10.23/32 dev eth0", nil},
		"another service":  {strings.ReplaceAll(table+other, "10.10.10.23:80", "10.10.10.23:81"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := lvsdrtest.RealServer()
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			got := ofWire(t, cluster.RealServerRole, twoOfKeepalived, w, "second-balancer")
			begin(t, got, test.want...)
			if slices.ContainsFunc(got, func(f string) bool { return strings.Split(f, " | ")[1] != "" }) {
				t.Errorf("a command takes a director's readiness away: %q", got)
			}
		})
	}
}
