//go:build linux

package fleet_test

import (
	"strings"
	"testing"
)

// firewalld itself lets the VIP in, now and from disk: whatever it is told to load
// anew, and after every boot.
func TestFirewalld(t *testing.T) {
	rows(t, "firewalld", func(s *site) {
		s.on()
		before := s.snapshot()
		s.unserved("before set-up")
		s.run("lvsdr setup realserver --vip 10.10.10.22")
		s.served("after set-up")
		if rules := s.run("nft list ruleset"); strings.Contains(rules, "lvsdr") {
			s.Errorf("lvsdr is in firewalld's rules:\n%s", rules)
		}
		s.run("firewall-cmd --permanent --zone=public --query-service=lvsdr")
		s.nothingDue("after set-up")
		// What others have opened for now stays theirs until the reload.
		s.through("firewall-cmd --reload", "firewall-cmd --complete-reload", "systemctl restart firewalld")
		s.run("firewall-cmd --zone=public --query-service=lvsdr")
		s.nothingDue("after a restart of firewalld")
		s.reconfigured()
		must(s.T, s.server.Reboot(s.Context()))
		s.served("after a power cycle")
		must(s.T, s.powerCut())
		s.served("after a power cut")
		s.run("lvsdr doctor realserver")
		s.run("lvsdr teardown realserver")
		s.unserved("after teardown")
		s.same(before, s.snapshot())
		s.othersService()
		s.lostAtBoot("firewall-cmd --add-port=80/tcp", "firewalld.service is enabled, and its permanent zone public does not let it in", "firewall-cmd --reload")
	})
}

// othersService: a service of that name that somebody else has made stays, and each
// of several VIPs has one of its own. A zone that drops ICMP, too, lets in what routers
// say of the size of packets.
func (s *site) othersService() {
	s.Helper()
	s.run("ip address add fd00:10::31/64 dev eth0 nodad; firewall-cmd --permanent --new-service=lvsdr && firewall-cmd --permanent --service=lvsdr --add-port=7/tcp && firewall-cmd --permanent --zone=public --set-target=DROP && firewall-cmd --reload")
	before := s.snapshot()
	const two = " realserver --vip 10.10.10.22 --vip fd00:10::22 --port 80 --port 53/udp"
	s.run("lvsdr setup" + two)
	s.served("after set-up beside another's service")
	s.run("firewall-cmd --reload")
	s.served("after a reload beside another's service")
	if plan := s.run("lvsdr plan" + two); !strings.Contains(plan, "nothing to do") {
		s.Errorf("set-up has to do: %s", plan)
	}
	if has := s.run("firewall-cmd --zone=public --list-services"); !strings.Contains(has, "lvsdr-2 lvsdr-3") {
		s.Errorf("the zone has %s", has)
	}
	for _, list := range []string{"--list-rich-rules", "--permanent --list-rich-rules"} {
		if has := s.run("firewall-cmd --zone=public " + list); !strings.Contains(has, "fragmentation-needed") || !strings.Contains(has, "packet-too-big") {
			s.Errorf("%s: %s", list, has)
		}
	}
	s.run("lvsdr teardown realserver")
	s.same(before, s.snapshot())
}
