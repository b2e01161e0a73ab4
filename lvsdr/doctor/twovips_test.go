package doctor_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

const twoVIPs = `services:
  - {vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
  - {vip: 10.10.10.23, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
`

// One VIP of which there is nothing to say does not hide what is wrong with another,
// whichever comes first.
func TestOneVIPHidesNoOther(t *testing.T) {
	for _, test := range []struct{ name, role, code, commands, config string }{
		{"one missing, one on the LAN", cluster.RealServerRole, "vip-link", "ip addr add VIP/32 dev eth0", twoVIPs},
		{"one missing on a director", cluster.DirectorRole, "vip-link", "ip addr add VIP/32 dev lo\nsysctl -w net.ipv4.conf.all.arp_ignore=1", twoVIPs},
	} {
		for _, vips := range [][2]string{{"10.10.10.22", "10.10.10.23"}, {"10.10.10.23", "10.10.10.22"}} {
			w := lvsdrtest.RealServer()
			if test.role == cluster.DirectorRole {
				w = lvsdrtest.Director()
			}
			if err := w.Run(strings.NewReplacer("VIP", vips[0], "OTHER", vips[1]).Replace(test.commands)); err != nil {
				t.Fatal(err)
			}
			got := bad(t, wireRole(t, test.role, test.config), w, test.code)
			if !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "failure "+test.code) }) { // the other VIP is nowhere
				t.Errorf("%s, %s: %q", test.name, vips[0], got)
			}
		}
	}
}

// A wide VIP whose subnet is nobody's does not end the search.
func TestWideVIPs(t *testing.T) {
	for _, order := range []string{"192.0.2.22/24 10.10.10.23/24", "10.10.10.23/24 192.0.2.22/24"} {
		w := lvsdrtest.RealServer("ip link add dummy0 address 02:00:00:00:03:31 type dummy", "ip link set dummy0 up")
		for _, a := range strings.Fields(order) {
			if err := w.Run("ip addr add " + a + " dev dummy0"); err != nil {
				t.Fatal(err)
			}
		}
		role := wireRole(t, cluster.RealServerRole, "services: [{vip: 192.0.2.22, realServers: [{address: 10.10.10.31}]}, {vip: 10.10.10.23, realServers: [{address: 10.10.10.31}]}]")
		if got := bad(t, role, w, "vip-mask"); len(got) != 1 || !strings.Contains(got[0], "10.10.10.23") {
			t.Errorf("%s: %q", order, got)
		}
	}
}

// The host's own VIP does not drop what was found of another.
func TestLargeRepliesOfEachVIP(t *testing.T) {
	w := lvsdrtest.Client(lvsdrtest.HealthyLAN(), "lan page 10.10.10.22:80 5000 0", "ip addr add 10.10.10.23/32 dev lo")
	e := wireRole(t, cluster.ClientRole, twoVIPs).Exam(w.Host())
	for _, c := range e.Checks {
		if c.Code == "large-replies" {
			alone := *c
			alone.Needs = nil
			e.Checks = append(e.Checks[:0:0], &alone)
		}
	}
	got := told(e.Run(t.Context()))
	if len(got) != 2 || !strings.HasPrefix(got[1], "skipped large-replies: this host has the VIP 10.10.10.23") || !strings.Contains(got[0], "10.10.10.22") {
		t.Errorf("%q", got)
	}
}

// Two lines of one file outside of /etc have two fixes, and the second keeps what
// the first one did. They are run for real, in a folder of their own.
func TestFixesOfOneFile(t *testing.T) {
	w := lvsdrtest.RealServer()
	role := bootRole(t, cluster.RealServerRole)
	if _, err := role.Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	const name, text = "/usr/lib/sysctl.d/zzz$x;y.conf", "net.ipv4.conf.all.arp_ignore=0\n# mine\nnet.ipv4.conf.all.arp_announce=0\n"
	if err := w.Run("mkdir -p /usr/lib/sysctl.d\n" + write(name, strings.TrimSuffix(text, "\n"))); err != nil {
		t.Fatal(err)
	}
	_, fixes := bootTold(t, w, role, "sysctl-boot")
	if len(fixes) != 2 {
		t.Fatalf("%q", fixes)
	}
	root := t.TempDir()
	for _, dir := range []string{"/etc/sysctl.d", "/usr/lib/sysctl.d"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, fix := range fixes {
		here := strings.NewReplacer("/etc/", root+"/etc/", "/usr/lib/", root+"/usr/lib/").Replace(fix)
		if out, err := exec.Command("sh", "-ec", here).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", here, err, out)
		}
	}
	got, err := os.ReadFile(root + "/etc/sysctl.d/zzz$x;y.conf")
	if want := "#net.ipv4.conf.all.arp_ignore=0\n# mine\n#net.ipv4.conf.all.arp_announce=0\n"; err != nil || string(got) != want {
		t.Errorf("%v, got\n%s", err, got)
	}
}

// A rule that perhaps drops one packet hides none that drops another for certain.
func TestUnsureRuleHidesNone(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte("services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	const perhaps = ` -p tcp --tcp-flags FIN,RST,ACK ACK -m bpf --bytecode "1,6 0 0 0" -j DROP` + "\n"
	for code, rules := range map[string]string{
		"firewall-out":     "-A OUTPUT" + perhaps + "-A OUTPUT -p tcp --tcp-flags FIN FIN -j DROP\n",
		"firewall-invalid": "-A INPUT -p tcp --tcp-flags FIN FIN -m bpf --bytecode \"1,6 0 0 0\" -j DROP\n-A INPUT -p tcp --tcp-flags RST RST -j DROP\n",
	} {
		w := lvsdrtest.Director()
		if _, err := role.Up(t.Context(), w.Host()); err != nil {
			t.Fatal(err)
		}
		w.SetRules(*filter.ParseIptables("iptables-legacy", rules))
		got := bad(t, role, w, code)
		if !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "failure "+code) }) {
			t.Errorf("%s: %q", code, got)
		}
	}
}
