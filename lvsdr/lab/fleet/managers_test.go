//go:build linux

package fleet_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// matrix says on which Debian and with which network manager each firewall is tried:
// with all of them, on both. Every other day each pair has the other Debian (LVSDR_SWAP=1),
// but for netplan: Debian 13's wants udev, which does not run in a container.
var matrix = map[string]map[fleet.Network]string{
	"firewalld": {fleet.Ifupdown: fleet.Debian13, fleet.Networkd: fleet.Debian12, fleet.NetworkManager: fleet.Debian13},
	"ufw":       {fleet.Ifupdown: fleet.Debian12, fleet.Networkd: fleet.Debian13, fleet.NetworkManager: fleet.Debian12},
	"nftables":  {fleet.Ifupdown: fleet.Debian13, fleet.Netplan: fleet.Debian12, fleet.NetworkManager: fleet.Debian13},
}

// rows runs the test of a firewall with each network manager.
func rows(t *testing.T, firewall string, test func(s *site)) {
	lab.Need(t, lab.Fleet)
	t.Parallel()
	for kind, suite := range matrix[firewall] {
		if swapped() && kind != fleet.Netplan {
			suite = map[string]string{fleet.Debian12: fleet.Debian13, fleet.Debian13: fleet.Debian12}[suite]
		}
		t.Run(string(kind)+" on "+suite, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, suite, kind)
			s.kind = kind
			must(t, s.server.Enable(t.Context(), firewall))
			test(s)
		})
	}
}

// swapped tells whether the pairs have the other Debian, as LVSDR_SWAP says or the day.
func swapped() bool {
	return cmp.Or(os.Getenv("LVSDR_SWAP"), fmt.Sprint(time.Now().Unix()/86400%2)) == "1"
}

// managed is what each network manager is told.
var managed = map[fleet.Network][]string{
	fleet.Networkd:       {"networkctl reconfigure lo", "networkctl reconfigure eth0", "systemctl restart systemd-networkd"},
	fleet.Netplan:        {netplanApply, "networkctl reconfigure eth0"},
	fleet.NetworkManager: {"nmcli device reapply lo; nmcli connection up lo", "nmcli networking off; nmcli networking on", "nmcli connection up eth0", "systemctl restart NetworkManager"},
	fleet.Ifupdown:       {"ifdown eth0; ifup eth0", "ifdown -a; ifup -a", "systemctl restart networking"},
}

// netplan tells udev of eth0, which takes a /sys that may be written.
const netplanApply = "unshare -m sh -c 'mount -t sysfs sysfs /sys && mount -o remount,rw /sys && netplan apply'"

// reconfigured: whatever the network manager does, also of itself when the cable is
// pulled, the server serves again and has all that set-up made, without waiting for the
// timer.
func (s *site) reconfigured() {
	s.Helper()
	s.run("systemctl stop lvsdr-verify.timer")
	for _, line := range managed[s.kind] {
		s.run(line)
		s.returns(line)
		s.settled(line)
	}
	must(s.T, s.pullCable())
	s.returns("a pulled cable")
	s.settled("a pulled cable")
	s.run("systemctl start lvsdr-verify.timer")
}

// settled waits until set-up has nothing to do.
func (s *site) settled(line string) {
	s.Helper()
	start := time.Now()
	s.run(`for try in $(seq 300); do
	lvsdr plan realserver | grep -q "nothing to do" && exit
	sleep 0.2
done
lvsdr plan realserver >&2; exit 1`)
	s.Logf("%s: all is as described after %.1f s", line, time.Since(start).Seconds())
}

// lostAtBoot: the doctor of a real server made by hand says that its port is open now, by
// the line, and not after a boot; what it says mends that, and the firewall loads it.
func (s *site) lostAtBoot(open, says, load string) {
	s.Helper()
	const doctor = "lvsdr doctor realserver --vip 10.10.10.22 --passive --only firewall-boot --output json"
	s.run("ip address add 10.10.10.22/32 dev lo; sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2; " + open)
	s.served("after " + open)
	var report struct {
		Findings []struct{ Check, Severity, What, Fix string }
	}
	must(s.T, json.Unmarshal([]byte(s.run(doctor)), &report))
	fix := ""
	for _, f := range report.Findings {
		if f.Check == "firewall-boot" && f.Severity == "warning" && strings.Contains(f.What, says) {
			fix = f.Fix
		}
	}
	if fix == "" {
		s.Fatalf("the doctor does not say that %s: %v", says, report)
	}
	s.run(fix + " && " + load)
	s.served("after " + fix + " and " + load)
	if again := s.run(doctor); strings.Contains(again, `"severity":"warning"`) {
		s.Errorf("after %s the doctor says %s", fix, again)
	}
}
