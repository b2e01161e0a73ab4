package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// atBoot has a unit start at boot.
func atBoot(unit string) string {
	return "\nmkdir -p /etc/systemd/system/multi-user.target.wants\nln -s /lib/systemd/system/" + unit + " /etc/systemd/system/multi-user.target.wants/" + unit + "\n"
}

const (
	nftConf = "/etc/nftables.conf"
	nftShut = `#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state invalid drop
		ct state established,related accept
		ip protocol icmp accept
		tcp dport { 22, 443 } accept # SSH
	}
	chain output {
		type filter hook output priority filter; policy accept;
	}
}
`
	rulesV4 = "/etc/iptables/rules.v4"
	rules   = `*nat
:POSTROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
`
	publicZone = "mkdir -p /usr/lib/firewalld/zones\nmkdir -p /usr/lib/firewalld/services\nmkdir -p /etc/firewalld/policies\n"
	zone       = `<?xml version="1.0" encoding="utf-8"?><zone><short>Public</short><service name="ssh"/><service name="http"/><forward/></zone>`
	ssh        = `<service><port protocol="tcp" port="22"/></service>`
	http       = `<service><port protocol="tcp" port="80"/></service>`
	ufwRules   = "*filter\n:ufw-user-input - [0:0]\n"
)

func firewalldFiles(zone string) string {
	return publicZone + write("/etc/firewalld/firewalld.conf", "# x\nDefaultZone=public") + "\n" + write("/usr/lib/firewalld/zones/public.xml", zone) + "\n" +
		write("/usr/lib/firewalld/services/ssh.xml", ssh) + "\n" + write("/usr/lib/firewalld/services/http.xml", http) + atBoot("firewalld.service")
}

func ufwFiles(user string) string {
	return "mkdir -p /etc/ufw\nmkdir -p /etc/default\n" + write("/etc/ufw/ufw.conf", "ENABLED=yes") + "\n" + write("/etc/default/ufw", "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"") + "\n" +
		write("/etc/ufw/before.rules", "*filter\n:ufw-before-input - [0:0]\n:ufw-not-local - [0:0]\n-A ufw-before-input -i lo -j ACCEPT\n"+
			"-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny\n"+
			"-A ufw-before-input -j ufw-not-local\n-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN\n-A ufw-not-local -j DROP\nCOMMIT") + "\n" +
		write("/etc/ufw/user.rules", ufwRules+user+"COMMIT") + "\n" +
		write("/etc/ufw/after.rules", "*filter\n:ufw-after-input - [0:0]\n-A ufw-after-input -p udp --dport 137 -j ufw-skip-to-policy-input\nCOMMIT") + atBoot("ufw.service")
}

const lostSaid = "warning firewall-boot: tcp 10.10.10.22:80 is let in now and not after a reboot: "

// A real server whose ports nobody opens at boot loses them where a firewall is enabled
// whose files keep them closed, and nowhere else.
func TestFirewallBoot(t *testing.T) {
	port := func(to string) string { return strings.Replace(nftShut, "22, 443", to, 1) }
	tests := []struct {
		name, does string
		want, fix  string
	}{
		{"nothing is enabled", write(nftConf, nftShut), "", ""},
		{"nftables", write(nftConf, nftShut) + atBoot("nftables.service"), "nftables.service is enabled, and /etc/nftables.conf, chain inet filter input, does not let it in",
			"echo 'insert rule inet filter input ip daddr 10.10.10.22 tcp dport 80 accept' >>/etc/nftables.conf"},
		{"nftables, masked", write(nftConf, nftShut) + atBoot("nftables.service") + "ln -s /dev/null /etc/systemd/system/nftables.service", "", ""},
		{"nftables lets it in", write(nftConf, port("22, 80")) + atBoot("nftables.service"), "", ""},
		{"nftables lets a range in", write(nftConf, port("22, 70-90")) + atBoot("nftables.service"), "", ""},
		{"nftables by a variable", write(nftConf, "define web = 80\n"+port("$web")) + atBoot("nftables.service"), "", ""},
		{"nftables by a name", write(nftConf, port("http")) + atBoot("nftables.service"), "", ""},
		{"nftables lets another interface in", write(nftConf, strings.Replace(nftShut, "iif \"lo\"", "iifname \"wg0\"", 1)) + atBoot("nftables.service"),
			"nftables.service is enabled, and /etc/nftables.conf, chain inet filter input, does not let it in",
			"echo 'insert rule inet filter input ip daddr 10.10.10.22 tcp dport 80 accept' >>/etc/nftables.conf"},
		{"nftables lets the LAN in", write(nftConf, strings.Replace(nftShut, "iif \"lo\"", "iifname \"eth0\"", 1)) + atBoot("nftables.service"), "", ""},
		{"iptables", "mkdir -p /etc/iptables\n" + write(rulesV4, rules) + atBoot("netfilter-persistent.service"),
			"netfilter-persistent.service is enabled, and /etc/iptables/rules.v4 does not let it in", `sed -i '/^\*filter/,/^COMMIT/s/^:INPUT .*/&\n-A INPUT -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT/' /etc/iptables/rules.v4`},
		{"iptables lets some in", "mkdir -p /etc/iptables\n" + write(rulesV4, strings.Replace(rules, "-i lo", "-s 10.0.0.0/8", 1)) + atBoot("netfilter-persistent.service"), "", ""},
		{"ufw, inactive now", ufwFiles("-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n"), "ufw.service is enabled, and what ufw loads from /etc/ufw does not let it in",
			`sed -i 's/^:ufw-before-input .*/&\n-A ufw-before-input -d 10.10.10.22 -p tcp --dport 80 -j ACCEPT/' /etc/ufw/before.rules`},
		{"ufw lets it in", ufwFiles("-A ufw-user-input -p tcp --dport 80 -j ACCEPT\n"), "", ""},
		{"ufw is switched off", ufwFiles("") + write("/etc/ufw/ufw.conf", "ENABLED=no"), "", ""},
		{"firewalld", firewalldFiles(strings.Replace(zone, "http", "https", 1)) + write("/usr/lib/firewalld/services/https.xml", ssh), "firewalld.service is enabled, and its permanent zone public does not let it in",
			"firewall-offline-cmd '--zone=public' --add-port=80/tcp"},
		{"firewalld, a service that is not there", firewalldFiles(strings.Replace(zone, "http", "mine", 1)), "", ""},
		{"firewalld lets it in", firewalldFiles(zone), "", ""},
		{"firewalld, in a zone of NetworkManager's", firewalldFiles(strings.Replace(zone, `name="http"`, `name="ssh"`, 1)) +
			"mkdir -p /etc/NetworkManager/system-connections\n" + write("/etc/NetworkManager/system-connections/eth0.nmconnection", "[connection]\nzone=work"), "", ""},
		{"firewalld with a policy", firewalldFiles(strings.Replace(zone, `name="http"`, `name="ssh"`, 1)) + write("/etc/firewalld/policies/mine.xml", "<policy/>"), "", ""},
		{"firewalld for another address", firewalldFiles(zone) + write("/usr/lib/firewalld/services/http.xml", `<service><port protocol="tcp" port="80"/><destination ipv4="10.10.10.99"/></service>`),
			"firewalld.service is enabled, and its permanent zone public does not let it in", "firewall-offline-cmd '--zone=public' --add-port=80/tcp"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := lvsdrtest.RealServer()
			if err := w.Run(handMade + test.does); err != nil {
				t.Fatal(err)
			}
			role := bootRole(t, cluster.RealServerRole)
			lines, fixes := bootTold(t, w, role, "firewall-boot")
			want, fix := []string(nil), []string(nil)
			if test.want != "" {
				want, fix = []string{lostSaid + test.want}, []string{strings.ReplaceAll(test.fix, "'--zone=public'", "--zone=public")}
			}
			if !slices.Equal(lines, want) || !slices.Equal(fixes, fix) {
				t.Fatalf("got %q, %q\nwant %q", lines, fixes, want)
			}
		})
	}
}

// What the fix makes of a file lets the port in.
func TestFirewallBootFixes(t *testing.T) {
	for file, test := range map[string]struct{ text, unit string }{
		nftConf: {nftShut, "nftables.service"},
		rulesV4: {rules, "netfilter-persistent.service"},
	} {
		w := lvsdrtest.RealServer()
		if err := w.Run(handMade + "mkdir -p /etc/iptables\n" + write(file, strings.TrimSuffix(test.text, "\n")) + atBoot(test.unit)); err != nil {
			t.Fatal(err)
		}
		role := bootRole(t, cluster.RealServerRole)
		_, fixes := bootTold(t, w, role, "firewall-boot")
		if len(fixes) != 1 {
			t.Fatalf("%s: %q", file, fixes)
		}
		text := runForReal(t, fixes[0], file, test.text)
		if err := w.Run(write(file, strings.TrimSuffix(text, "\n"))); err != nil {
			t.Fatal(err)
		}
		if lines, _ := bootTold(t, w, role, "firewall-boot"); len(lines) > 0 {
			t.Errorf("%s: after the fix %q:\n%s", file, lines, text)
		}
	}
}

// A host whose unit opens the ports of what is loaded loses nothing at boot, unless it is
// told of a manager that is not there then, or of none.
func TestFirewallBootOfUnit(t *testing.T) {
	told := func(w *lvsdrtest.World, firewall string) []string {
		role := bootRole(t, cluster.RealServerRole)
		e := role.Exam(w.Host())
		e.Config.Firewall, e.Only = firewall, []string{"firewall-boot"}
		var all []string
		for _, f := range e.Run(t.Context()) {
			if f.Check == "firewall-boot" && f.Severity == doctor.Warning {
				all = append(all, f.What+": "+f.Fix)
			}
		}
		return all
	}
	w := lvsdrtest.RealServer()
	if err := w.Run(write(nftConf, nftShut) + atBoot("nftables.service")); err != nil {
		t.Fatal(err)
	}
	if _, err := bootRole(t, cluster.RealServerRole).Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	for firewall, want := range map[string]string{
		"": "", "auto": "", "nftables": "", "none": "chain inet filter input, does not let it in",
		"firewalld": "this host is no real server: systemctl enable firewalld", "ufw": "ufw, which is told to open the ports, is not enabled at boot",
	} {
		if lines := told(w, firewall); len(lines) != min(len(want), 1) || want != "" && !strings.Contains(lines[0], want) {
			t.Errorf("%q: %q", firewall, lines)
		}
	}
	if err := w.Run(firewalldFiles(zone)); err != nil {
		t.Fatal(err)
	}
	if lines := told(w, "firewalld"); len(lines) > 0 {
		t.Errorf("firewalld, enabled: %q", lines)
	}
}
