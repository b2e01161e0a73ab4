package step_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

func TestModulesMissing(t *testing.T) {
	twos := ctlConfig("10.10.10.22")
	twos.Services[0].Scheduler = "twos"
	tests := []struct {
		name   string
		config cluster.Config
		noIPVS bool
		isNo   bool
		want   string
	}{
		{"no IPVS", ctlConfig("10.10.10.22"), true, true, "lvsdr: modules: this kernel has no IPVS: module ip_vs"},
		{"no scheduler", twos, false, false, `lvsdr: modules: this kernel has no scheduler "twos": module ip_vs_twos`},
	}
	for _, tt := range tests {
		c := newCtlHost()
		c.noIPVS = tt.noIPVS
		before := c.state()
		_, err := ctlRole(cluster.DirectorRole, tt.config).Up(t.Context(), c.host())
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		if errors.Is(err, host.ErrNoIPVS) != tt.isNo || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not what it should be", tt.name, err)
		}
		if c.state() != before || c.edits > 0 {
			t.Errorf("%s: the host was touched", tt.name)
		}
	}
}

func TestModulesStayLoaded(t *testing.T) {
	c := newCtlHost()
	r := ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22"))
	ctlUp(t, r, c.host())
	ctlDown(t, r, c.host())
	if !c.loaded["ip_vs"] || !c.loaded["ip_vs_wrr"] {
		t.Error("a module was unloaded")
	}
}
