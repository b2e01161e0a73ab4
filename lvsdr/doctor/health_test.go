package doctor_test

import (
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// With engine keepalived: what its checks do is no drift, what somebody else does is, and
// set-up mends it.
func TestEngineKeepalived(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte(`engine: keepalived
services:
  - {vip: 10.10.10.22, sorryServer: 10.10.10.40, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
  - {vip: "fd00:10::22", realServers: [{address: "fd00:10::32"}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	const conf = "mkdir -p /etc/keepalived\ncat >/etc/keepalived/keepalived.conf <<'EOF'\nvirtual_server 10.10.10.22 80 {\n}\nEOF"
	codes := []string{"keepalived", "health", "service", "no-destination", "drift", "table-owner"}
	for _, test := range []engineCase{
		{"healthy", "", nil, true},
		{"it does not run", "keepalived kill", []string{"failure keepalived SETUP"}, true},
		{"one is out", "keepalived check 10.10.10.31 fails", []string{"warning health"}, false},
		{"the only one is out", "keepalived check fd00:10::32 fails", []string{"failure no-destination"}, false},
		{"the sorry server stands in", "keepalived check 10.10.10.31 fails\nkeepalived check 10.10.10.32 fails\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.40:80 -g", []string{"warning health", "warning health"}, false},
		{"the sorry server beside the others", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.40:80 -g", []string{"warning drift SETUP"}, true},
		{"a weight by hand", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 7", []string{"warning drift SETUP"}, true},
		{"a real server gone by hand", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:80", []string{"warning drift SETUP"}, true},
		{"one gone by hand, one out", "keepalived check 10.10.10.32 fails\nipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:80", []string{"failure no-destination SETUP"}, false},
		{"the only one gone by hand", "ipvsadm -d -t [fd00:10::22]:80 -r [fd00:10::32]:80", []string{"failure no-destination SETUP"}, true},
		{"a service gone by hand", "ipvsadm -D -t [fd00:10::22]:80", []string{"failure service SETUP"}, true},
		{"its configuration edited", "cat >/run/lvsdr/keepalived.conf <<'EOF'\n# mine\nEOF", []string{"warning drift SETUP"}, true},
		{"another keepalived's file", conf, nil, true},
		{"another keepalived", conf + "\nps add keepalived", []string{"warning table-owner"}, false},
	} {
		test.run(t, role, codes)
	}
}

// A real server that keepalived has given weight 0 is its to give back.
func TestInhibit(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte(`engine: keepalived
services:
  - {vip: 10.10.10.22, inhibit: true, sorryServer: 10.10.10.40, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32, weight: 2}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []engineCase{
		{"healthy", "", nil, true},
		{"one has weight 0 for its check", "keepalived check 10.10.10.32 fails", []string{"warning health"}, false},
		{"both have", "keepalived check 10.10.10.31 fails\nkeepalived check 10.10.10.32 fails", []string{"failure no-destination"}, false},
		{"it was well again", "keepalived check 10.10.10.32 fails\nkeepalived check 10.10.10.32 passes", nil, true},
		{"one has by hand", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 0", []string{"warning drift SETUP"}, true},
		{"one gone by hand where its check would leave it", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.32:80", []string{"warning drift SETUP"}, true},
		{"well again while keepalived did not look", "keepalived check 10.10.10.32 fails\nkeepalived kill\nkeepalived check 10.10.10.32 passes\nkeepalived start", []string{"warning drift SETUP"}, true},
		{"the sorry server stands in", "keepalived check 10.10.10.31 fails\nkeepalived check 10.10.10.32 fails\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.40:80 -g", []string{"warning health", "warning health"}, false},
	} {
		test.run(t, role, []string{"keepalived", "health", "service", "no-destination", "drift", "table-owner"})
	}
}

// An engineCase is what somebody does to a director that is set up, and what its doctor
// says then.
type engineCase struct {
	name, commands string
	want           []string
	mended         bool // by the next set-up
}

func (test engineCase) run(t *testing.T, role lvsdr.Role, codes []string) {
	t.Run(test.name, func(t *testing.T) {
		w := lvsdrtest.Director(lvsdrtest.HealthyLAN())
		if _, err := role.Up(t.Context(), w.Host()); err != nil {
			t.Fatal(err)
		}
		if err := w.Run(test.commands); err != nil {
			t.Fatal(err)
		}
		if got := bad(t, role, w, codes...); !slices.Equal(got, test.want) {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
		if _, err := role.Up(t.Context(), w.Host()); err != nil {
			t.Fatal(err)
		}
		if got := bad(t, role, w, codes...); test.mended && len(got) > 0 {
			t.Errorf("after set-up: %q", got)
		}
	})
}
