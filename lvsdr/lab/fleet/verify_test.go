//go:build linux

package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// What others take away is brought back, a changed description is applied, and the log
// says which and nothing else.
func TestVerify(t *testing.T) {
	lab.Need(t, lab.Fleet)
	t.Parallel()
	s := newSite(t, fleet.Debian12, fleet.Ifupdown)
	must(t, s.server.WriteFile("/etc/nftables.conf", []byte(closed), 0o755))
	must(t, s.server.Enable(t.Context(), "nftables"))
	s.on()
	before := s.snapshot()
	s.run("lvsdr setup realserver --vip 10.10.10.22 --verify 2s")
	s.quiet()
	for _, line := range []string{"nft -f /etc/nftables.conf", "ip address del 10.10.10.22/32 dev lo", "systemctl restart nftables"} {
		s.run(line)
		s.returns(line)
		s.run("for try in $(seq 100); do [ $(systemctl is-active lvsdr-verify.service) = activating ] || break; sleep 0.1; done") // it tells what it did at its end
	}
	if log := s.log(); !strings.Contains(log, "changed:\n") || !strings.Contains(log, "vip  add  10.10.10.22/32") {
		t.Errorf("the log:\n%s", log)
	}

	s.meanwhile()
	s.run("systemctl stop lvsdr-realserver && sleep 3 && ! systemctl is-active lvsdr-verify.timer && ! ip address show dev lo | grep 10.10.10.22")
	s.run("systemctl start lvsdr-realserver && systemctl is-active lvsdr-verify.timer")
	s.described()
	s.run("lvsdr teardown realserver")
	s.unserved("after teardown")
	s.run("rm -r /etc/lvsdr")
	s.same(before, s.snapshot())
}

// meanwhile: what is taken away while lvsdr-verify.service runs comes back with that run, or
// the next.
func (s *site) meanwhile() {
	s.Helper()
	s.run(`systemctl stop lvsdr-verify.timer
systemctl start lvsdr-verify.service & sleep 1.7 # it has looked twice, on a machine that is idle
ip address del 10.10.10.22/32 dev lo; touch /run/network/lvsdr-test; wait; rm /run/network/lvsdr-test`)
	s.returns("taken away during a run")
	s.run("systemctl start lvsdr-verify.timer")
}

// described: a file is followed, also by a timer that never runs and whenever it is
// written, and what is wrong in it touches nothing.
func (s *site) described() {
	s.Helper()
	const both = `services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}, {vip: 10.10.10.23, realServers: [{address: 10.10.10.31}]}]`
	one := strings.Split(both, "}, {vip")[0] + "}]"
	write := func(text string) string { return "echo '" + text + "' >/etc/lvsdr/lvsdr.yaml\n" }
	// follows waits until the second VIP is there, or is not.
	follows := func(is string) string {
		return "for try in $(seq 200); do " + is + " ip address show dev lo | grep -q 10.10.10.23 && exit; sleep 0.1; done; " +
			"cat /etc/lvsdr/lvsdr.yaml; systemctl status lvsdr.path lvsdr-changed lvsdr-verify; exit 1"
	}
	s.run("mkdir -p /etc/lvsdr; " + write(one))
	s.run("lvsdr setup realserver --config /etc/lvsdr/lvsdr.yaml --verify 0")
	s.run("! systemctl is-active lvsdr-verify.timer && systemctl is-active lvsdr.path")
	s.run(write(both) + follows(""))
	// Written when the set-up that the last change has started is over, but not yet for
	// systemd, which it is in some moment of these.
	for range 3 {
		for _, at := range []struct{ text, is string }{{one, "!"}, {both, ""}} {
			s.run(`for try in $(seq 200); do pid=$(systemctl show -P MainPID lvsdr-verify.service); [ $pid = 0 ] || break; sleep 0.05; done
while [ -d /proc/$pid/fd ]; do :; done
` + write(at.text) + follows(at.is))
		}
	}
	s.run("echo '}' >>/etc/lvsdr/lvsdr.yaml; timeout 30 sh -c 'until systemctl -q is-failed lvsdr-verify.service; do sleep 0.2; done'")
	s.run("ip address show dev lo | grep -q 10.10.10.23")
	s.served("with a description that is wrong")
}

// log is what lvsdr-verify.service has logged in this boot.
func (s *site) log() string {
	return s.run("journalctl --no-pager -q -b -o cat -u lvsdr-verify.service")
}

// quiet waits until lvsdr-verify.service has run, and fails when the log says something:
// nothing was to be done.
func (s *site) quiet() {
	s.Helper()
	s.run(`for try in $(seq 120); do
	[ "$(systemctl show -P ExecMainExitTimestampMonotonic lvsdr-verify.service)" -gt 0 ] && exit
	sleep 0.5
done
systemctl list-timers --all >&2; exit 1`)
	if log := s.log(); log != "" {
		s.Errorf("nothing was to be done, and the log says\n%s", log)
	}
}

// returns waits until the server serves again and tells for how long it did not.
func (s *site) returns(line string) {
	s.Helper()
	start := time.Now()
	for time.Since(start) < 20*time.Second {
		if who, err := s.client.Get(s.Context(), web); err == nil && who == s.server.Name {
			s.Logf("%s: served again after %.1f s", line, time.Since(start).Seconds())
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Errorf("%s: not served after 20 s\n%s", line, s.state())
}
