package doctor_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
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
		want                []string // what is told, in parts; $ is the end
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
		{"another cluster's number as often", "", "\nlan advert 02:00:00:00:00:44 10.10.10.44 51 200 addresses 10.10.10.99 interval 1s",
			[]string{"(use_vmac) both have the same$"}},
		{"another cluster", "", "\nlan advert 02:00:00:00:00:44 10.10.10.44 52 200 addresses 10.10.10.99", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := mastersFound(t, described, test.before, test.heard, "", false)
			if len(found) != len(test.want) {
				t.Fatalf("%d findings, want %d: %v", len(found), len(test.want), found)
			}
			for i, f := range found {
				text := string(f.Severity) + " " + f.Check + ": " + f.What
				if !strings.Contains(text+"$", test.want[i]) {
					t.Errorf("%q has no %q", text, test.want[i])
				}
			}
		})
	}
}

// A second master of which nothing is heard is known by what it answers: a switch, or
// whatever is between the two, drops its advertisements.
func TestUnheardMaster(t *testing.T) {
	const (
		second   = "\nlan add 02:00:00:00:00:33 10.10.10.33"
		answers  = second + "\nlan add 02:00:00:00:00:33 10.10.10.22"
		stranger = "\nlan advert 02:00:00:00:00:44 10.10.10.44 51 200 addresses 10.10.10.99 interval 1s"
		is       = "failure vrrp-master: the director 10.10.10.33 (02:00:00:00:00:33) answers ARP for 10.10.10.22, which this director has: both are master, and no advertisement of its (VRRP) was heard here"
	)
	for _, test := range []struct {
		name, vrrp, heard string
		passive           bool
		without           string   // is not in keepalived's file, as in one that somebody else has written
		want              []string // what is told, then its advice; $ is the end
	}{
		{name: "the other director is a backup", heard: second},
		{name: "a switch", heard: answers, want: []string{is, "drops multicast (such as IGMP snooping without a querier): write unicast: true on both directors, under vrrp"}},
		{name: "unicast", vrrp: "unicast: true", heard: answers, want: []string{is, "have it pass IP protocol 112 between the directors' addresses"}},
		{name: "nothing is asked", heard: answers, passive: true},
		{name: "it is heard", heard: second + rival, want: []string{"10.10.10.33 (02:00:00:00:00:33) advertises 10.10.10.22 by VRRP", "write the same on both directors"}},
		{name: "a stranger", heard: "\nlan add 02:00:00:00:00:34 10.10.10.22", want: []string{"failure vip-claim: 02:00:00:00:00:34", "a switch that drops multicast needs unicast: true"}},
		{name: "a stranger as often", heard: second + "\nlan claim 02:00:00:00:00:33 10.10.10.22" + stranger,
			want: []string{"(use_vmac) both have the same$", "choose another routerId", "failure vip-claim: 02:00:00:00:00:33 says", "neither hears the other"}},
		{name: "a stranger less often", without: "vrrp_lower_prio_no_advert", heard: second + strings.Replace(stranger, "1s", "2s", 1),
			want: []string{"(use_vmac) both have the same$", "choose another routerId"}},
		{name: "in turn", without: "vrrp_lower_prio_no_advert", heard: second + "\nlan claim 02:00:00:00:00:33 10.10.10.22" + stranger,
			want: []string{"it advertises every 1s, this cluster every 1s: a master of keepalived 2.2 that hears it puts its own advertisements off", "choose another routerId", "failure vip-claim: 02:00:00:00:00:33 says by ARP to stand for the VIP", "mend that first"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := mastersFound(t, "directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: {"+test.vrrp+"}\n"+
				"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]\n", "", test.heard, test.without, test.passive)
			if len(found) != len(test.want)/2 {
				t.Fatalf("%d findings: %v", len(found), found)
			}
			for i, f := range found {
				if text := string(f.Severity) + " " + f.Check + ": " + f.What; !strings.Contains(text+"$", test.want[2*i]) {
					t.Errorf("%q, want %q", text, test.want[2*i])
				}
				if !strings.Contains(f.Advice, test.want[2*i+1]) {
					t.Errorf("advice %q, want %q", f.Advice, test.want[2*i+1])
				}
			}
		})
	}
}

// mastersFound is what a director is told of masters when others have come since its set-up,
// before which the LAN was as before says. Right after a set-up the other director is next, which is no failure.
func mastersFound(t *testing.T, described, before, heard, without string, passive bool) []doctor.Finding {
	t.Helper()
	config, err := cluster.ParseConfig("cluster.yaml", []byte(described))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	w := lvsdrtest.Director(lvsdrtest.HealthyLAN(), before)
	if _, err := role.Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	files := w.Host().Files
	text, err := files.ReadFile(host.VRRPConf)
	if err == nil && without != "" {
		err = files.WriteFile(host.VRRPConf, bytes.ReplaceAll(text, []byte(without), []byte("# "+without)), 0o600)
	}
	if err := errors.Join(err, w.Run(heard)); err != nil {
		t.Fatal(err)
	}
	e := role.Exam(w.Host())
	e.Only, e.Passive = []string{"vrrp-master", "vip-claim"}, passive
	told := func() []doctor.Finding {
		return slices.DeleteFunc(e.Run(t.Context()), func(f doctor.Finding) bool { return !f.Bad() && f.Severity != doctor.Warning })
	}
	e.Stage = doctor.AfterSetUp
	for _, f := range told() {
		if f.Check == "vrrp-master" && f.Severity == doctor.Failure && (strings.Contains(f.What, "; it") || strings.Contains(f.What, "was heard here")) {
			t.Errorf("right after set-up: %s", f.What)
		}
	}
	e.Stage = doctor.InService
	return told()
}
