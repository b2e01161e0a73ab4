//go:build linux

package fleet_test

import (
	"os/exec"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// A machine whose disk was made a real server's by set-up with --root boots into its
// role, and teardown gives back what the disk was before.
func TestImage(t *testing.T) {
	lab.Need(t, lab.Fleet)
	t.Parallel()
	s := newSite(t, fleet.Debian13, fleet.Networkd)
	bin, err := program()
	must(t, err)
	must(t, s.server.On(t.Context()))
	before := s.snapshot()
	must(t, s.server.Off(t.Context()))
	const role = "realserver"
	out, err := exec.Command(bin, "setup", role, "--vip", vip.String(), "--root", s.server.Path("/")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.on()
	s.served("at the first boot")
	s.silent()
	s.nothingDue("at the first boot")
	s.run("lvsdr doctor realserver && systemctl is-active lvsdr-realserver && systemctl is-active lvsdr-verify.timer && lvsdr teardown realserver")
	s.unserved("after teardown")
	s.same(before, s.snapshot())
}
