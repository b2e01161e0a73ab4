package lvsdr_test

import (
	"context"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// A killed keepalived has no process until systemd starts it again: teardown must tell
// systemd not to.
func TestTeardownStopsWhatWasKilled(t *testing.T) {
	c := configs["vrrp"]()
	c.Engine = cluster.EngineKeepalived
	w := lvsdrtest.Director("")
	if _, err := director(t, c).Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if err := w.Run("keepalived kill\nvrrp kill"); err != nil {
		t.Fatal(err)
	}
	h := w.Host()
	checks, vrrp := killedChecks{h.Keepalived, new(bool)}, killedVRRP{h.VRRP, new(bool)}
	h.Keepalived, h.VRRP = checks, vrrp
	if _, err := director(t, c).Down(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if !*checks.stopped || !*vrrp.stopped {
		t.Errorf("stopped: the checks' %t, VRRP's %t", *checks.stopped, *vrrp.stopped)
	}
}

type killedChecks struct {
	host.Keepalived
	stopped *bool
}

func (k killedChecks) Stop(ctx context.Context) error {
	*k.stopped = true
	return k.Keepalived.Stop(ctx)
}

type killedVRRP struct {
	host.VRRP
	stopped *bool
}

func (k killedVRRP) Stop(ctx context.Context) error {
	*k.stopped = true
	return k.VRRP.Stop(ctx)
}
