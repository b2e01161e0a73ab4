package doctor_test

import (
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// The sync daemons on a host that lvsdr set up, and on one that somebody else did.
func TestSyncDaemons(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte(`sync: {interface: eth0}
services:
  - {vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	const stopMaster, stopBackup = "ipvsadm --stop-daemon master\n", "ipvsadm --stop-daemon backup\n"
	const master, backup = "ipvsadm --start-daemon master --mcast-interface eth0 --syncid ", "ipvsadm --start-daemon backup --mcast-interface eth0 --syncid "
	const onDummy = "modprobe ip_vs\nip link add dummy7 type dummy\nipvsadm --start-daemon master --mcast-interface dummy7 --syncid 5\n" +
		"ipvsadm --start-daemon backup --mcast-interface dummy7 --syncid 5\n"
	for _, test := range []struct {
		name, commands string
		setUp          bool
		want           []string
		mended         bool
	}{
		{"healthy", "", true, nil, true},
		{"no master", stopMaster, true, []string{"failure sync-daemon SETUP"}, true},
		{"none", stopMaster + stopBackup, true, []string{"failure sync-daemon SETUP"}, true},
		{"another id", stopBackup + backup + "9", true, []string{"warning sync-daemon SETUP"}, true},
		{"no daemons by hand", "", false, nil, true},
		{"by hand", "modprobe ip_vs\n" + master + "5\n" + backup + "5", false, nil, true},
		{"by hand, a backup that hears all", "modprobe ip_vs\n" + master + "5\n" + backup + "0", false, nil, true},
		{"by hand, two ids", "modprobe ip_vs\n" + master + "5\n" + backup + "6", false, []string{"warning sync-daemon"}, false},
		{"by hand, its interface gone", onDummy + "ip link del dummy7", false, []string{"failure sync-daemon", "failure sync-daemon"}, false},
		{"by hand, a master's interface gone or renamed", onDummy + "ipvsadm --stop-daemon backup\nip link del dummy7", false, []string{"warning sync-daemon"}, false},
		{"by hand, its interface renamed", onDummy + "ip link del dummy7\nmkdir -p /proc/thread-self/net\n" + write("/proc/thread-self/net/igmp",
			"Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n"+
				"9\tlan0      :     2      V3\n\t\t\t\t510000E0     1 0:00000000\t\t0"), false, []string{"warning sync-daemon", "warning sync-daemon"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config
			if !test.setUp {
				c.Sync = nil
			}
			role, err := lvsdr.Director(c)
			if err != nil {
				t.Fatal(err)
			}
			w := lvsdrtest.Director(lvsdrtest.HealthyLAN())
			if test.setUp {
				if _, err := role.Up(t.Context(), w.Host()); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			if got := bad(t, role, w, "sync-daemon", "drift"); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if !test.setUp {
				return
			}
			if _, err := role.Up(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			if got := bad(t, role, w, "sync-daemon", "drift"); test.mended && len(got) > 0 {
				t.Errorf("after set-up: %q", got)
			}
		})
	}
}
