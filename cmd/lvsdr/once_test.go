package main

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// countedWire counts how often it is asked who has an address.
type countedWire struct {
	host.Wire
	addr  netip.Addr
	times int
}

func (w *countedWire) Ask(ctx context.Context, link string, questions []probe.Question, wait time.Duration) ([][]probe.Answer, error) {
	for _, q := range questions {
		if q.Target == w.addr && !q.Source.IsValid() {
			w.times++
		}
	}
	return w.Wire.Ask(ctx, link, questions, wait)
}

// A set-up asks the LAN before it changes anything and when it is done; one that finds
// nothing to do asks once.
func TestNothingToDoAsksOnce(t *testing.T) {
	st := newStage("/")
	st.world = lvsdrtest.Director(lvsdrtest.HealthyLAN())
	h := st.world.Host()
	wire := &countedWire{Wire: h.Wire, addr: netip.MustParseAddr("10.10.10.22")}
	h.Wire = wire
	st.sys.host = func() *host.Host { return h }
	for i, want := range []int{2, 1} {
		wire.times = 0
		status := run(t.Context(), []string{"setup", "director", "--vip", "10.10.10.22", "-r", "10.10.10.31", "-r", "10.10.10.32"}, st.sys, io.Discard, io.Discard)
		if wire.times != want || status > exitFailed {
			t.Errorf("set-up %d: status %d, the LAN was asked %d times for the VIP, not %d", i+1, status, wire.times, want)
		}
	}
}
