package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

const (
	rival   = "\nlan add 02:00:00:00:00:33 10.10.10.22\nlan advert 02:00:00:00:00:33 10.10.10.33 51 90 addresses 10.10.10.22 interval 1s password secret"
	rivals  = another + "\nlan advert 02:00:00:00:00:33 10.10.10.33 51 90 addresses 10.10.10.22 password secret"
	stealth = "\nlan add 02:00:00:00:00:34 10.10.10.22\nlan advert 02:00:00:00:00:34 10.10.10.34 51 80 addresses 10.10.10.22 password secret"
)

// Two masters: who the other one is and why neither heeds the other.
func TestTwoMasters(t *testing.T) {
	const described = `directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]
vrrp: {auth: secret}
services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]
`
	instead := func(old, new string) string { return strings.Replace(rival, old, new, 1) }
	for _, test := range []struct {
		name, before, heard string
		want                []string // what is told, in parts
	}{
		{"one master", "", "", nil},
		{"a backup hears the master", rivals, "", nil},
		{"the other one does not hear", "", rival, []string{"10.10.10.33 (02:00:00:00:00:33) advertises 10.10.10.22 by VRRP with priority 90, as this director does: both are master"}},
		{"another router ID", "", instead("10.10.10.33 51", "10.10.10.33 52"), []string{"its router ID is 52, here it is 51"}},
		{"another version", "", instead("password secret", "version 3"), []string{"it speaks version 3 of VRRP, this director 2"}},
		{"another interval", "", instead("1s", "2s"), []string{"it advertises every 2s, this director every 1s"}},
		{"another password", "", instead("secret", "other"), []string{"its password (auth) is another one"}},
		{"another VIP more", "", instead("addresses 10.10.10.22", "addresses 10.10.10.22,10.10.10.23"), []string{"it advertises 10.10.10.23 too"}},
		{"it gives up", "", instead("51 90", "51 0"), []string{"vip-claim"}},
		{"a backup hears two", rivals, stealth, []string{"10.10.10.33", "10.10.10.34"}},
		{"another cluster's number", "", "\nlan advert 02:00:00:00:00:44 10.10.10.44 51 200 addresses 10.10.10.99", []string{"warning vrrp-master: 10.10.10.44 (02:00:00:00:00:44) advertises 10.10.10.99"}},
		{"another cluster", "", "\nlan advert 02:00:00:00:00:44 10.10.10.44 52 200 addresses 10.10.10.99", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := cluster.ParseConfig("cluster.yaml", []byte(described))
			if err != nil {
				t.Fatal(err)
			}
			role, err := lvsdr.Director(config)
			if err != nil {
				t.Fatal(err)
			}
			w := lvsdrtest.Director(lvsdrtest.HealthyLAN(), test.before)
			if _, err := role.Up(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			if err := w.Run(test.heard); err != nil {
				t.Fatal(err)
			}
			e := role.Exam(w.Host())
			e.Only = []string{"vrrp-master", "vip-claim"}
			found := slices.DeleteFunc(e.Run(t.Context()), func(f doctor.Finding) bool { return !f.Bad() && f.Severity != doctor.Warning })
			if len(found) != len(test.want) {
				t.Fatalf("%d findings, want %d: %v", len(found), len(test.want), found)
			}
			e.Stage = doctor.AfterSetUp // a change is set up on one director first, which is no failure
			for _, f := range e.Run(t.Context()) {
				if f.Check == "vrrp-master" && f.Severity == doctor.Failure && strings.Contains(f.What, "; it") {
					t.Errorf("right after set-up: %s", f.What)
				}
			}
			for i, f := range found {
				if text := string(f.Severity) + " " + f.Check + ": " + f.What; !strings.Contains(text, test.want[i]) {
					t.Errorf("%q has no %q", text, test.want[i])
				}
			}
		})
	}
}
