//go:build linux

package fleet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// packages makes the .deb and the .rpm of a version, as make package does.
func packages(t *testing.T, version string) (deb, rpm string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("../../../.ci/package", dir, runtime.GOARCH, version)
	cmd.Env = append(os.Environ(), "LVSDR_TEST_REQUIRE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	names, err := filepath.Glob(dir + "/*")
	if err != nil || len(names) != 2 || !strings.HasSuffix(names[0], ".rpm") || !strings.HasSuffix(names[1], ".deb") {
		t.Fatalf("made %q, %v", names, err)
	}
	return names[1], names[0]
}

// A package is installed, upgraded, removed and purged on a machine that has a role:
// the VIP stays over an upgrade, and goes with the command, or the command stays.
func TestPackage(t *testing.T) {
	lab.Need(t, lab.Fleet)
	t.Parallel()
	s := newSite(t, fleet.Debian12, fleet.Ifupdown)
	for _, version := range []string{"0.1.0", "0.2.0"} {
		deb, rpm := packages(t, version)
		must(t, s.server.Install(deb, "/root/"+version+".deb"))
		must(t, s.server.Install(rpm, "/root/"+version+".rpm"))
	}
	s.on()
	s.run("rm /usr/bin/lvsdr && dpkg -i /root/0.1.0.deb && lvsdr completion bash | cmp - /usr/share/bash-completion/completions/lvsdr && test -d /etc/lvsdr")
	s.run("printf 'services: []\n' >/etc/lvsdr/lvsdr.yaml")
	before := s.snapshot()
	s.run("lvsdr setup realserver --vip 10.10.10.22")
	s.served("after set-up")

	moved := s.run(`ip -o monitor address >/run/moved & sleep 1
dpkg -i /root/0.2.0.deb >/dev/null; kill $!; cat /run/moved; rm /run/moved`)
	if strings.Contains(moved, vip.String()) {
		t.Errorf("the VIP moved in an upgrade:\n%s", moved)
	}
	if got := s.run("lvsdr version"); !strings.HasPrefix(got, "lvsdr 0.2.0 ") {
		t.Errorf("upgraded to %s", got)
	}
	s.served("after the upgrade")
	must(t, s.server.Reboot(t.Context()))
	s.served("after the upgrade and a reboot")

	// What cannot give the role back is not removed.
	s.run("mv /usr/bin/lvsdr /root/lvsdr && printf '#!/bin/sh\nexit 1\n' >/usr/bin/lvsdr && chmod +x /usr/bin/lvsdr")
	if out := s.run("! dpkg -r lvsdr 2>&1"); !strings.Contains(out, "still has its role") {
		t.Errorf("a removal that could not give the role back: %s", out)
	}
	s.served("after a removal that failed")
	s.run("mv /root/lvsdr /usr/bin/lvsdr && dpkg -r lvsdr")
	s.unserved("after the removal")
	s.same(before, s.snapshot())
	s.run("test ! -e /usr/bin/lvsdr && test -e /etc/lvsdr/lvsdr.yaml && dpkg -P lvsdr && test ! -e /etc/lvsdr")
	s.rpm()
}

// rpm does the same with the other package, on a machine that has nothing of lvsdr: rpm
// runs its scripts whatever the system's own packages are.
func (s *site) rpm() {
	s.Helper()
	before := s.snapshot()
	s.run("rpm -i --nodeps /root/0.1.0.rpm && rpm -V --nodeps lvsdr && lvsdr completion zsh | cmp - /usr/share/zsh/site-functions/_lvsdr && test -d /etc/lvsdr")
	s.run("lvsdr setup realserver --vip 10.10.10.22 && rpm -U --nodeps /root/0.2.0.rpm")
	if got := s.run("lvsdr version"); !strings.HasPrefix(got, "lvsdr 0.2.0 ") {
		s.Errorf("upgraded to %s", got)
	}
	s.served("after the upgrade by rpm")
	s.run("rpm -e lvsdr && test ! -e /usr/bin/lvsdr")
	s.unserved("after the removal by rpm")
	s.same(before, s.snapshot())
}
