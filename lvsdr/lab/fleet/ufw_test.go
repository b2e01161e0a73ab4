//go:build linux

package fleet_test

import (
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// ufw lets the VIP in by its own rule, which is there after its reload, its restart
// and every boot, and which goes by the same words.
func TestUfw(t *testing.T) {
	rows(t, "ufw", func(s *site) {
		s.on()
		s.run("ufw --force enable && ufw allow 22/tcp comment 'the admin'")
		must(s.T, s.server.Reboot(s.Context())) // with the sysctls that ufw sets at boot
		s.run("ufw reload")
		before, rules := s.snapshot(), s.run("ufw status numbered")
		s.unserved("before set-up")
		s.run("lvsdr setup realserver --vip 10.10.10.22")
		s.served("after set-up")
		if status := s.run("ufw status"); !strings.Contains(status, "# lvsdr") {
			s.Errorf("no rule of lvsdr's:\n%s", status)
		}
		s.nothingDue("after set-up")
		s.through("ufw reload", "systemctl restart ufw")
		s.nothingDue("after a restart of ufw")
		s.reconfigured()
		must(s.T, s.server.Reboot(s.Context()))
		s.served("after a power cycle")
		must(s.T, s.powerCut())
		s.served("after a power cut")
		s.run("lvsdr doctor realserver")
		s.run("lvsdr teardown realserver")
		s.unserved("after teardown")
		s.same(rules, s.run("ufw status numbered"))
		s.run("ufw reload")
		s.same(before, s.snapshot())
		if s.kind == fleet.Networkd { // on one Debian today, on the other tomorrow
			// A ufw that is disabled keeps its rule, until teardown.
			s.run("lvsdr setup realserver --vip 10.10.10.22 && ufw disable && lvsdr setup realserver --vip 10.10.10.22")
			s.nothingDue("while ufw is disabled")
			s.run("ufw --force enable")
			s.served("when ufw is enabled again")
			s.run("ufw disable && lvsdr teardown realserver && ! ufw show added | grep lvsdr && ufw --force enable")
			s.same(rules, s.run("ufw status numbered"))
		}
		s.lostAtBoot("ufw disable; sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf",
			"ufw.service is enabled, and what ufw loads from /etc/ufw does not let it in", "systemctl restart ufw")
	})
}
