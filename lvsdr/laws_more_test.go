package lvsdr_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// changed returns the mission's configuration with something different.
func changed(change func(*cluster.Config)) func() cluster.Config {
	return func() cluster.Config {
		c := mission()
		change(&c)
		return c
	}
}

// reconfigurations are configurations that follow on the mission's and that the
// mission's follows on.
var reconfigurations = map[string]func() cluster.Config{
	"weights": changed(func(c *cluster.Config) {
		c.Services[0].RealServers = []cluster.RealServer{weighted("10.10.10.41", 3), weighted("10.10.10.42", 0)}
	}),
	"another real server": changed(func(c *cluster.Config) { c.Services[0].RealServers = servers("10.10.10.42", "10.10.10.43") }),
	"another scheduler, no persistence": changed(func(c *cluster.Config) {
		c.Services[0].Scheduler, c.Services[0].Persistence = "wlc", 0
	}),
	"another port":                  changed(func(c *cluster.Config) { c.Services[0].Ports = secure[1:] }),
	"another VIP":                   changed(func(c *cluster.Config) { c.Services[0].VIP = addr("10.10.10.23") }),
	"no timeouts":                   changed(func(c *cluster.Config) { c.Timeouts = cluster.Timeouts{} }),
	"other timeouts":                changed(func(c *cluster.Config) { c.Timeouts = cluster.Timeouts{TCP: seconds(700)} }),
	"no firewall":                   configs["no firewall wanted"],
	"IPv6 only":                     configs["IPv6"],
	"both families":                 configs["both families, two VIPs"],
	"every port of the same VIP":    configs["every port, thresholds"],
	"UDP on the VIP instead of TCP": configs["UDP, one packet"],
	"keepalived":                    configs["keepalived"],
	"keepalived and more":           configs["keepalived, two VIPs, a sorry server"],
}

func TestReconfiguration(t *testing.T) {
	for name, r := range roles {
		for what, to := range reconfigurations {
			for _, start := range []string{"IPVS in use", "VIP/24 on eth0"} {
				first := func() (lvsdr.Role, error) { return r.make(mission()) }
				second := func() (lvsdr.Role, error) { return r.make(to()) }
				t.Run(strings.Join([]string{name, start, what}, "/"), func(t *testing.T) {
					t.Parallel()
					lvsdrtest.CheckReconfiguration(t, first, second, world(name, worlds[start], false))
				})
				t.Run(strings.Join([]string{name, start, what, "back"}, "/"), func(t *testing.T) {
					t.Parallel()
					lvsdrtest.CheckReconfiguration(t, second, first, world(name, worlds[start], false))
				})
			}
		}
	}
}

// TestNothingIsTakenOutAndPutBack: a change of configuration happens in place.
func TestNothingIsTakenOutAndPutBack(t *testing.T) {
	for _, what := range []string{"weights", "another scheduler, no persistence", "another real server", "other timeouts", "both families"} {
		w := lvsdrtest.Director()
		set(t, lvsdr.Director, mission(), w)
		before := len(w.Log())
		set(t, lvsdr.Director, reconfigurations[what](), w)
		for _, edit := range w.Log()[before:] {
			if strings.HasPrefix(edit, "ipvsadm -D") || strings.HasPrefix(edit, "ipvsadm -C") || strings.HasPrefix(edit, "ip addr del") ||
				strings.HasPrefix(edit, "ipvsadm -d") && what != "another real server" {
				t.Errorf("%s: %s", what, edit)
			}
		}
	}
}

func set(t *testing.T, make func(cluster.Config) (lvsdr.Role, error), c cluster.Config, w *lvsdrtest.World) {
	t.Helper()
	role, err := make(c)
	if err == nil {
		_, err = role.Apply(context.Background(), w.Host(), step.Present)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignThingsStay: what is somebody else's and not in the role's way is
// there at every moment of set-up.
func TestForeignThingsStay(t *testing.T) {
	for name := range roles {
		for _, start := range []string{"IPVS in use", "iptables", "two nftables", "files", "blackholes"} {
			t.Run(name+"/"+start, func(t *testing.T) {
				w := roles[name].world(worlds[start])
				foreign := strings.Split(strings.TrimSpace(w.Dump()), "\n")
				everyStop(t, name, worlds[start], func(t *testing.T, stopped *lvsdrtest.World) {
					lines := strings.Split(stopped.Dump(), "\n")
					for _, f := range foreign {
						ours := strings.HasPrefix(f, "sysctl -w net.ipv4.vs.") || strings.HasPrefix(f, "ipvsadm --set")
						if !ours && !slices.Contains(lines, f) {
							t.Errorf("gone: %s", f)
						}
					}
				})
			})
		}
	}
}

// everyStop stops set-up and teardown of the mission's cluster after every number
// of edits and hands each world to check.
func everyStop(t *testing.T, name, commands string, check func(*testing.T, *lvsdrtest.World)) {
	t.Helper()
	role, err := roles[name].make(mission())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for n := 0; ; n++ {
		w := roles[name].world(commands)
		w.FailAfter(n)
		_, up := role.Apply(ctx, w.Host(), step.Present)
		check(t, w)
		if up == nil {
			break
		}
	}
	for n := 0; ; n++ {
		w := roles[name].world(commands)
		set(t, roles[name].make, mission(), w)
		w.FailAfter(n)
		_, down := role.Down(ctx, w.Host())
		check(t, w)
		if down == nil || t.Failed() {
			break
		}
	}
}

// TestSafety: at no moment does a real server carry a VIP that it answers ARP for,
// nor a director one that it does not forward.
func TestSafety(t *testing.T) {
	carries := map[string]string{
		cluster.RealServerRole: "ip addr add 10.10.10.22/32 dev lo label lo:0 scope host\n",
		cluster.DirectorRole:   "ip addr add 10.10.10.22/32 dev eth0 label eth0:0\n",
	}
	needs := map[string][]string{
		cluster.RealServerRole: {
			"sysctl -w net.ipv4.conf.all.arp_ignore=1\n", "sysctl -w net.ipv4.conf.all.arp_announce=2\n",
			"ip route add blackhole 10.10.10.22 proto 76", "ip daddr 10.10.10.22 tcp dport 80 accept",
		},
		cluster.DirectorRole: {
			"sysctl -w net.ipv4.conf.all.arp_announce=2\n", "ip daddr 10.10.10.22 tcp dport 80 accept",
			"ipvsadm -A -t 10.10.10.22:80 -s wrr -p 20\n", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.41:80 -g -w 1\n",
			"ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.42:80 -g -w 1\n",
		},
	}
	for name := range roles {
		t.Run(name, func(t *testing.T) {
			seen := false
			everyStop(t, name, "", func(t *testing.T, w *lvsdrtest.World) {
				dump := w.Dump()
				if !strings.Contains(dump, carries[name]) {
					return
				}
				seen = true
				for _, need := range needs[name] {
					if !strings.Contains(dump, need) {
						t.Errorf("the VIP is there without %s", need)
					}
				}
			})
			if !seen {
				t.Error("the VIP was never there")
			}
		})
	}
}

// TestVIPIsAnnouncedInTheEnd: a set-up that is killed between adding the VIP and
// announcing it, run again, must not leave the LAN without the announcement.
func TestVIPIsAnnouncedInTheEnd(t *testing.T) {
	role, err := lvsdr.Director(mission())
	if err != nil {
		t.Fatal(err)
	}
	const add, announce = "ip addr add 10.10.10.22/32 dev eth0 label eth0:0", "arping -U -c 1 -I eth0 10.10.10.22"
	for n := 0; ; n++ {
		w := lvsdrtest.Director()
		w.FailAfter(n)
		_, err := role.Apply(context.Background(), w.Host(), step.Present)
		w.FailAfter(-1)
		set(t, lvsdr.Director, mission(), w)
		log := w.Log()
		if slices.Index(log, announce) < slices.Index(log, add) {
			t.Errorf("broken off after %d edits: the VIP was added and never announced", n)
		}
		if err == nil {
			return
		}
	}
}

// TestRuntimeWritesNothingThatLasts: with Host.Runtime no file outside /run is
// written or removed.
func TestRuntimeWritesNothingThatLasts(t *testing.T) {
	for name, r := range roles {
		w := r.world()
		w.Host().Runtime = true
		set(t, r.make, mission(), w)
		role, err := r.make(mission())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := role.Down(context.Background(), w.Host()); err != nil {
			t.Fatal(err)
		}
		for _, edit := range w.Log() {
			for _, tool := range []string{"cat >", "rm ", "ln -s "} {
				if rest, ok := strings.CutPrefix(edit, tool); ok && !strings.Contains(rest, "/run/") {
					t.Errorf("%s: %s", name, edit)
				}
			}
		}
	}
}

// TestLawsOfAnImportersStep: the laws are for steps of other packages, too.
func TestLawsOfAnImportersStep(t *testing.T) {
	role := func() (lvsdr.Role, error) {
		r, err := lvsdr.RealServer(mission())
		r.Steps = append(r.Steps, banner{"a real server\n"})
		return r, err
	}
	lvsdrtest.CheckLaws(t, role, world(cluster.RealServerRole, "", false))
	lvsdrtest.CheckLaws(t, func() (lvsdr.Role, error) {
		return lvsdr.Role{Steps: []step.Step{banner{"nobody\n"}}}, nil
	}, world(cluster.RealServerRole, "", false))
}

// TestHalfWrittenLedgerGoes: what a kill within the first write of the ledger
// leaves, teardown takes away.
func TestHalfWrittenLedgerGoes(t *testing.T) {
	for _, left := range []string{"/run/lvsdr/.lvsdr-realserver", "/run/.lvsdr-lvsdr/realserver"} {
		w := lvsdrtest.RealServer()
		before := w.Dump()
		if err := w.Run("cat >" + left + " <<'EOF'\nhalf a li\nEOF"); err != nil {
			t.Fatal(err)
		}
		role, err := lvsdr.RealServer(mission())
		if err == nil {
			_, err = role.Down(context.Background(), w.Host())
		}
		if err != nil {
			t.Fatal(err)
		}
		if w.Dump() != before {
			t.Errorf("%s: left:\n%s", left, w.Dump())
		}
	}
}
