package doctor_test

import (
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// another is that another director has the VIP.
const another = "vrrp other\nlan del 02:00:00:00:00:30 10.10.10.22\nlan add 02:00:00:00:00:33 10.10.10.33\nlan add 02:00:00:00:00:33 10.10.10.22"

// directors is the role of one of two, between which VRRP moves the VIP.
func directors(t *testing.T) lvsdr.Role {
	t.Helper()
	config, err := cluster.ParseConfig("cluster.yaml", []byte(`directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]
vrrp: {interval: 100ms}
services:
  - {vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// A backup's packet filter is judged as the master's: ufw drops what is not local, and the
// VIP is, as soon as it is here.
func TestBackupsFilter(t *testing.T) {
	const ufw = `:INPUT DROP [0:0]
-A INPUT -j ufw-not-local
-A INPUT -p vrrp -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -j DROP
`
	role, w := directors(t), lvsdrtest.Director(lvsdrtest.HealthyLAN(), another)
	if _, err := role.Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	w.SetRules(*filter.ParseIptables("iptables-legacy", ufw))
	if got := bad(t, role, w, "firewall-in", "firewall-vrrp"); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// Two directors: the one without the VIPs is as healthy as the one with them; two with them
// and none are not.
func TestVRRP(t *testing.T) {
	role := directors(t)
	codes := []string{"vrrp", "vip", "vip-claim", "vip-link", "vip-source", "firewall-vrrp", "drift", "table-owner"}
	for _, test := range []struct {
		name, before, commands string
		want                   []string
		mended                 bool
	}{
		{"master", "", "", nil, true},
		{"backup", another, "", nil, true},
		{"it does not run", "", "vrrp stop", []string{"failure vrrp SETUP"}, true},
		{"it was killed", "", "vrrp kill", []string{"failure vrrp SETUP"}, true},
		{"two masters", "", "lan add 02:00:00:00:00:33 10.10.10.22", []string{"failure vip-claim"}, false},
		{"two other masters", another, "lan add 02:00:00:00:00:34 10.10.10.22", []string{"failure vip-claim", "failure vip-claim"}, false},
		{"none", another, "lan del 02:00:00:00:00:33 10.10.10.22", []string{"failure vip-claim"}, false},
		{"its configuration edited", "", "cat >/run/lvsdr/vrrp.conf <<'EOF'\n# mine\nEOF", []string{"warning drift SETUP"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := lvsdrtest.Director(lvsdrtest.HealthyLAN(), test.before)
			if _, err := role.Up(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			if got := bad(t, role, w, codes...); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if _, err := role.Apply(t.Context(), w.Host(), true); err != nil {
				t.Fatal(err)
			}
			if got := bad(t, role, w, codes...); test.mended && len(got) > 0 {
				t.Errorf("after another set-up: %q", got)
			}
		})
	}
}
