package doctor_test

import (
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
