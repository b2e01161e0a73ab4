package step_test

import (
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A set-up killed while it wrote the file for the first time, and not run again.
func TestOwnFileLeftover(t *testing.T) {
	c := newCtlHost()
	r := ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22"))
	c.files["/etc/modules-load.d/.lvsdr-lvsdr.conf"] = "# Writ"
	got := ctlDown(t, r, c.host())
	if len(got) != 1 || got[0] != "remove /etc/modules-load.d/lvsdr.conf" {
		t.Errorf("got %q", got)
	}
	if strings.Contains(c.state(), ".lvsdr-") {
		t.Errorf("left %s", c.state())
	}
}

func TestOwnFileLeavesFoldersInUse(t *testing.T) {
	c := newCtlHost()
	delete(c.files, "/etc/modules-load.d/")
	r := ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22"))
	ctlUp(t, r, c.host())
	c.files["/etc/modules-load.d/theirs.conf"] = "dummy\n"
	ctlDown(t, r, c.host())
	for name, want := range map[string]bool{
		"/etc/modules-load.d/": true, "/etc/modules-load.d/theirs.conf": true,
		"/etc/modules-load.d/lvsdr.conf": false,
	} {
		if _, got := c.files[name]; got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
}

func TestOwnFileKeepsWhatItMade(t *testing.T) {
	c := newCtlHost()
	delete(c.files, "/etc/modules-load.d/")
	before := c.state()
	ctlUp(t, ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22")), c.host())
	other := ctlConfig("10.10.10.22")
	other.Services[0].Scheduler = "rr"
	got := ctlUp(t, ctlRole(cluster.DirectorRole, other), c.host())
	if len(got) != 2 || got[1] != "set /etc/modules-load.d/lvsdr.conf" {
		t.Errorf("got %q", got)
	}
	const want = "# Written by lvsdr for a director: IPVS and the schedulers of its services.\n" +
		"# \"lvsdr teardown director\" removes this file.\n" +
		"ip_vs\nip_vs_rr\n#lvsdr:made /etc/modules-load.d\n"
	if got := c.files[step.ModulesLoad]; got != want {
		t.Errorf("got\n%s", got)
	}
	ctlDown(t, ctlRole(cluster.DirectorRole, other), c.host())
	if got := c.state(); got != before {
		t.Errorf("left %s", got)
	}
}
