package doctor_test

import (
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// Hosts on which the fix for others would take away what serves: what their findings
// are, "severity code fix", and a word of the advice.
func TestNoFixTakesAwayWhatServes(t *testing.T) {
	const service = "modprobe ip_vs\nmodprobe ip_vs_wlc\nip addr add 10.10.10.22/32 dev eth0 label eth0:0\nipvsadm -A -t 10.10.10.22:80 -s wlc\n"
	const ours, others = "-A -t 10.10.10.22:80 -s wlc\n-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1", "\n-A -t 192.0.2.9:25 -s rr"
	const restores = "mkdir -p /etc/default\n" + "cat >/etc/default/ipvsadm <<'E'\nAUTO=\"true\"\nE\n"
	const aliasOnLo = "mkdir -p /etc/sysconfig/network-scripts\n"
	ifcfg := aliasOnLo + write("/etc/sysconfig/network-scripts/ifcfg-lo:0", "DEVICE=lo:0\nIPADDR=10.10.10.22\nONBOOT=yes")
	for _, test := range []struct{ name, code, commands, config, want, advice string }{
		{"a table made by hand for masquerading", "forwarding", service + "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -m -w 1", "",
			"failure forwarding", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1"},
		{"connection tracking of a masqueraded service", "ipvs-sysctl", service + "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.77:80 -m -w 1\nsysctl -w net.ipv4.vs.conntrack=1", "",
			"warning ipvs-sysctl", "masquerading"},
		{"connection tracking", "ipvs-sysctl", service + "sysctl -w net.ipv4.vs.conntrack=1", "", "warning ipvs-sysctl sysctl -w net.ipv4.vs.conntrack=0", ""},
		{"a route beyond a gateway", "mtu", "ip route add 10.10.10.31 via 10.10.10.1 dev eth0 mtu 1400", "", "warning mtu", "LAN"},
		{"a restored table", "table-owner", setUpTrace + restores + write("/etc/ipvsadm.rules", ours), "",
			`warning table-owner sed -i 's/^AUTO=.*/AUTO="false"/' /etc/default/ipvsadm`, "yours"},
		{"a restored table of several owners", "table-owner", setUpTrace + restores + write("/etc/ipvsadm.rules", ours+others), "",
			`warning table-owner sed -i '/^-[Aa] -t 10\.10\.10\.22:80 /d' /etc/ipvsadm.rules`, "yours"},
		{"the VIP on lo of a director", "address-owner", ifcfg, "",
			"warning address-owner sed -i 's/^ONBOOT=.*//;$aONBOOT=no' /etc/sysconfig/network-scripts/ifcfg-lo:0", "yours"},
		{"the VIP on lo of a director that is a real server too", "address-owner", ifcfg,
			"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.30}, {address: 10.10.10.31}]}]", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := lvsdrtest.Director(lvsdrtest.HealthyLAN())
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			text := test.config
			if text == "" {
				text = "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]"
			}
			role := wireRole(t, cluster.DirectorRole, text)
			got := strings.Join(bad(t, role, w, test.code), "\n")
			e := role.Exam(w.Host())
			e.Only = []string{test.code}
			advised := slices.ContainsFunc(e.Run(t.Context()), func(f doctor.Finding) bool { return strings.Contains(f.Advice, test.advice) })
			if got != test.want || !advised {
				t.Errorf("got %q, advised %v; want %q, %q", got, advised, test.want, test.advice)
			}
		})
	}
}

var setUpTrace = write("/run/lvsdr/director", "role\t") + "\n"

// The fixes that change network scripts, run for real in a folder of their own: the VIP
// is brought up no more, and all else is as before.
func TestFixesOfNetworkScripts(t *testing.T) {
	for name, test := range map[string]struct{ before, after string }{
		"ifcfg-lo:0": {"DEVICE=lo:0\nONBOOT=yes\nIPADDR=10.10.10.22", "DEVICE=lo:0\n\nIPADDR=10.10.10.22\nONBOOT=no\n"},
		"ifcfg-lo": {"DEVICE=lo\nIPADDR=127.0.0.1\nIPADDR1=10.10.10.22\nONBOOT=yes\nIPADDR2=10.10.10.23",
			"DEVICE=lo\nIPADDR=127.0.0.1\n#IPADDR1=10.10.10.22\nONBOOT=yes\nIPADDR2=10.10.10.23\n"},
	} {
		const dir = "/etc/sysconfig/network-scripts/"
		w := lvsdrtest.Director()
		if err := w.Run("mkdir -p " + dir + "\n" + write(dir+name, test.before)); err != nil {
			t.Fatal(err)
		}
		role := bootRole(t, cluster.DirectorRole)
		_, fixes := bootTold(t, w, role, "address-owner")
		if len(fixes) != 1 {
			t.Fatalf("%s: %q", name, fixes)
		}
		if got := runForReal(t, fixes[0], dir+name, test.before+"\n"); got != test.after {
			t.Errorf("%s: got\n%s", name, got)
		}
		if err := w.Run(write(dir+name, strings.TrimSuffix(test.after, "\n"))); err != nil {
			t.Fatal(err)
		}
		if left, _ := bootTold(t, w, role, "address-owner"); len(left) > 0 {
			t.Errorf("%s: after the fix: %q", name, left)
		}
	}
}

// runForReal runs a fix of a file below /etc in a folder of its own, and returns what the
// file has then.
func runForReal(t *testing.T, fix, name, text string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(root+path.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-ec", strings.ReplaceAll(fix, "/etc/", root+"/etc/")).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", fix, err, out)
	}
	got, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// No veth merges packets, so that this fix is run on a host in memory.
func TestMergingIsSwitchedOff(t *testing.T) {
	w := lvsdrtest.Director("ip link set eth0 lro on")
	role := bootRole(t, cluster.DirectorRole)
	_, fixes := bootTold(t, w, role, "mtu")
	if len(fixes) != 1 {
		t.Fatalf("%q", fixes)
	}
	if err := w.Run(fixes[0]); err != nil {
		t.Fatal(err)
	}
	if left, _ := bootTold(t, w, role, "mtu"); len(left) > 0 {
		t.Errorf("after the fix: %q", left)
	}
}

// What a fix changes beside what set-up has made is said to be the person's own.
func TestFilesOfYoursAreSaid(t *testing.T) {
	some := 0
	for _, c := range append(append([]bootCase{}, bootCases...), ownerCases...) {
		name, _ := strings.CutPrefix(c.role, "-")
		w := lvsdrtest.RealServer()
		if name == cluster.DirectorRole {
			w = lvsdrtest.Director()
		}
		if err := w.Run(c.does); err != nil {
			continue // it breaks what set-up made
		}
		e := bootRole(t, name).Exam(w.Host())
		e.Only = ofRole(e, bootCodes)
		for _, f := range e.Run(t.Context()) {
			edits := strings.Contains(f.Fix, "sed -i ") || strings.Contains(f.Fix, ">")
			if edits {
				some++
			}
			if edits != strings.Contains(f.Advice, "teardown leaves it") {
				t.Errorf("%s: %s: %q, %q", c.name, f.Check, f.Fix, f.Advice)
			}
		}
	}
	if some < 5 {
		t.Errorf("%d fixes of files", some)
	}
}
