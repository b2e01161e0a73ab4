//go:build linux

package fleet_test

import (
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// firewalld itself lets the VIP in, now and from disk: whatever it is told to load
// anew, and after every boot.
func TestFirewalld(t *testing.T) {
	suites(t, func(t *testing.T, suite string) {
		s := newSite(t, suite, fleet.Ifupdown)
		must(t, s.server.Enable(t.Context(), "firewalld"))
		s.on()
		before := s.snapshot()
		s.unserved("before set-up")
		s.run("lvsdr setup realserver --vip 10.10.10.22")
		s.served("after set-up")
		if rules := s.run("nft list ruleset"); strings.Contains(rules, "lvsdr") {
			t.Errorf("lvsdr is in firewalld's rules:\n%s", rules)
		}
		s.run("firewall-cmd --permanent --zone=public --query-service=lvsdr")
		s.nothingDue("after set-up")
		// What others have opened for now stays theirs until the reload.
		s.through("firewall-cmd --reload", "firewall-cmd --complete-reload", "systemctl restart firewalld")
		s.run("firewall-cmd --zone=public --query-service=lvsdr")
		s.nothingDue("after a restart of firewalld")
		must(t, s.server.Reboot(t.Context()))
		s.served("after a power cycle")
		must(t, s.powerCut())
		s.served("after a power cut")
		s.run("lvsdr doctor realserver")
		s.run("lvsdr teardown realserver")
		s.unserved("after teardown")
		s.same(before, s.snapshot())
	})
}
