//go:build linux

package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// A real server on a plain Debian serves what a director would send it, keeps silent
// in ARP, comes back by itself after everything that happens to machines, and is as
// it was after teardown.
func TestRealServer(t *testing.T) {
	suites(t, func(t *testing.T, suite string) {
		s := newSite(t, suite, fleet.Ifupdown)
		s.on()
		before := s.snapshot()
		s.unserved("before set-up")
		s.full("/etc/sysctl.d", "zz-lvsdr-realserver.conf")
		s.full("/etc/systemd/system", "lvsdr-realserver.service")
		s.same(before, s.snapshot())
		s.run("lvsdr setup realserver --vip 10.10.10.22")
		s.served("after set-up")
		s.silent()
		if again := s.run("lvsdr plan realserver --vip 10.10.10.22 -o json"); !strings.Contains(again, `"changes":[]`) && !strings.Contains(again, `"changes": []`) {
			t.Errorf("set-up again has to do: %s", again)
		}
		for _, event := range []struct {
			what string
			do   func() error
		}{
			{"a power cycle", func() error { return s.server.Reboot(t.Context()) }},
			{"a power cut", s.powerCut},
			{"a pulled cable", s.pullCable},
		} {
			must(t, event.do())
			s.served("after " + event.what)
			s.silent()
		}
		s.run("lvsdr doctor realserver")
		s.sandboxed()
		s.run("lvsdr teardown realserver")
		s.unserved("after teardown")
		s.same(before, s.snapshot())
		must(t, s.server.Reboot(t.Context()))
		s.unserved("after teardown and a power cycle")
		s.same(before, s.snapshot())
	})
}

// sandboxed fails when this systemd finds the units more exposed than they have to be.
func (s *site) sandboxed() {
	s.Helper()
	s.run("systemd-analyze security --threshold=25 lvsdr-realserver.service")
	s.run(`cd /run && lvsdr units director --vip 10.10.10.22 -r 10.10.10.31 >lvsdr-director.service
systemd-analyze security --offline=true --threshold=30 /run/lvsdr-director.service
for role in realserver director; do
	unit=/etc/systemd/system/lvsdr-$role.service
	[ -e $unit ] || unit=/run/lvsdr-$role.service
	said=$(systemd-analyze verify --man=no $unit 2>&1) || exit
	case $said in *lvsdr-*) echo "$said" >&2; exit 1 ;; esac
done
rm /run/lvsdr-director.service`)
}

// silent fails when the server answers ARP for the VIP.
func (s *site) silent() {
	s.Helper()
	_, err := s.client.Run(s.Context(), "ip", "neigh", "del", vip.String(), "dev", "eth0")
	must(s.T, err)
	mac, err := s.client.Claims(s.Context(), vip)
	if err != nil || mac != "" {
		s.Errorf("%s answers ARP for the VIP, %v", mac, err)
	}
	must(s.T, s.client.Director(s.Context(), vip, s.server))
}

func (s *site) powerCut() error {
	if err := s.server.PullPlug(s.Context()); err != nil {
		return err
	}
	return s.server.On(s.Context())
}

func (s *site) pullCable() error {
	if err := s.server.Unplug(s.Context()); err != nil {
		return err
	}
	time.Sleep(time.Second)
	return s.server.Plug(s.Context())
}

// full: where a folder has no space left, set-up names the file that it could not write and
// leaves no part of it; with space it goes on, and teardown gives all back.
func (s *site) full(dir, file string) {
	s.Helper()
	s.run("cp -a " + dir + " /run/was && mount -t tmpfs -o size=1m,mode=755 full " + dir + " && cp -a /run/was/. " + dir +
		" && ! dd if=/dev/zero of=" + dir + "/full bs=4k 2>/dev/null")
	out, err := s.server.Run(s.Context(), "lvsdr", "setup", "realserver", "--vip", "10.10.10.22")
	if err == nil || !strings.Contains(err.Error(), dir+"/"+file) || !strings.Contains(err.Error(), "no space left on device") {
		s.Errorf("%s is full: %v\n%s", dir, err, out)
	}
	if left := s.run("ls -A " + dir + " | grep lvsdr || :"); left != "" {
		s.Errorf("left in %s, which is full: %s", dir, left)
	}
	s.run("rm " + dir + "/full && lvsdr setup realserver --vip 10.10.10.22")
	s.served("when there is space in " + dir)
	s.run("lvsdr teardown realserver && umount " + dir + " && rm -r /run/was && systemctl daemon-reload")
}
