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
		if s.kind != fleet.NetworkManager { // the others are on both Debians
			s.lockedDown()
			s.busAway()
		}
		if s.kind == fleet.Networkd { // on one Debian today, on the other tomorrow
			s.withFirewalldStopped()
		}
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

// lockedDown: a firewalld in lockdown that does not listen to root is told before anything
// is touched, with what mends it. As it comes it listens to root; Debian 13's knows no
// lockdown.
func (s *site) lockedDown() {
	s.Helper()
	const whitelist = "/etc/firewalld/lockdown-whitelist.xml"
	s.run("firewall-cmd --lockdown-on; ! firewall-cmd --query-lockdown || { lvsdr setup realserver --vip 10.10.10.22 && lvsdr teardown realserver; }")
	if s.run("firewall-cmd --query-lockdown || :") != "yes\n" {
		return
	}
	s.run("sed -i '/<user id=\"0\"/d' " + whitelist + "; firewall-cmd --reload")
	s.refused("lvsdr setup realserver --vip 10.10.10.22", "lockdown-whitelist.xml list <user id=\"0\"/>, and run firewall-cmd --reload; or set up with firewall none")
	s.run(`sed -i 's,</whitelist>,<user id="0"/>&,' ` + whitelist + "; firewall-cmd --reload")
	s.run("lvsdr setup realserver --vip 10.10.10.22")
	s.served("after the cure of a lockdown")
	s.run("lvsdr teardown realserver && firewall-cmd --lockdown-off")
}

// busAway: where firewalld runs and the bus does not answer, set-up and teardown say so
// before anything is touched, and the doctor does not call the host healthy.
func (s *site) busAway() {
	s.Helper()
	s.run("lvsdr setup realserver --vip 10.10.10.22 && mv /run/dbus/system_bus_socket /run/dbus/away")
	const says = "D-Bus, by which it is told what to let in, does not answer"
	s.refused("lvsdr setup realserver --vip 10.10.10.22 --port 81", says)
	s.refused("lvsdr teardown realserver", says)
	s.refused("lvsdr doctor realserver --passive", says)
	s.served("with the bus away")
	cure := "systemctl restart dbus.socket dbus.service firewalld.service"
	s.run(cure + " && firewall-cmd --state && rm /run/dbus/away")
	s.served("when the bus is back")
	s.nothingDue("when the bus is back")
	s.run("lvsdr teardown realserver && rm /run/dbus/system_bus_socket")
	// On a host that nobody has set up, it is firewalld's rule that is in the way.
	s.refused("lvsdr doctor realserver --vip 10.10.10.22 --passive", "First it has to listen again: it runs, and "+says)
	s.run(cure)
}

// withFirewalldStopped: a firewalld that does not run keeps what set-up has put on disk, until teardown.
func (s *site) withFirewalldStopped() {
	s.Helper()
	s.run("ip address add fd00:10::31/64 dev eth0 nodad; firewall-cmd --permanent --zone=public --set-target=DROP; firewall-cmd --reload")
	before := s.snapshot()
	const two = " realserver --vip 10.10.10.22 --vip fd00:10::22 --port 80 --port 53/udp"
	due := "lvsdr plan" + two + " | grep 'nothing to do' && "
	s.run("lvsdr setup" + two + " && systemctl stop firewalld && " + due + "lvsdr setup" + two + " && systemctl start firewalld")
	s.served("when firewalld is started again")
	s.run(due + "systemctl stop firewalld")
	s.run("lvsdr teardown realserver && ! grep -r lvsdr /etc/firewalld && systemctl start firewalld && firewall-cmd --state")
	s.same(before, s.snapshot())
	s.run("firewall-cmd --permanent --load-zone-defaults=public; rm -f /etc/firewalld/zones/public.xml.old; firewall-cmd --reload; ip address del fd00:10::31/64 dev eth0")
	// Without a file of the zone there is none after it.
	before = s.snapshot()
	s.run("lvsdr setup realserver --vip 10.10.10.22 && systemctl stop firewalld && lvsdr teardown realserver && systemctl start firewalld && firewall-cmd --state")
	s.same(before, s.snapshot())
}

// refused fails unless the command ends with an error that says so, and leaves everything as
// it was.
func (s *site) refused(line, says string) {
	s.Helper()
	before := s.snapshot()
	out, err := s.server.Run(s.Context(), "bash", "-c", line+" 2>&1 | tr -s ' \n' ' '; exit ${PIPESTATUS[0]}")
	if err == nil || !strings.Contains(out, says) {
		s.Errorf("%s, which is to say that %s: %v\n%s", line, says, err, out)
	}
	s.same(before, s.snapshot())
}
