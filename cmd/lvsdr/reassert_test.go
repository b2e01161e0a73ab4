package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// What a network manager takes away in the moment after it has written down what it made
// comes back with the run that this started.
func TestReassertLooksAgain(t *testing.T) {
	st := newStage("/")
	st.enter(lvsdrtest.RealServer())
	if status := run(t.Context(), []string{"setup", "realserver", "--vip", "10.10.10.22", "--passive"}, st.sys, io.Discard, io.Discard); status > exitFailed {
		t.Fatalf("status %d", status)
	}
	st.sys.settle = func(context.Context) bool {
		if err := st.world.Run("ip addr del 10.10.10.22/32 dev lo"); err != nil {
			t.Error(err)
		}
		return true
	}
	if status := run(t.Context(), []string{"setup", "realserver", "--runtime", "--reassert"}, st.sys, io.Discard, io.Discard); status != exitOK {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(st.world.Dump(), "10.10.10.22/32 dev lo") {
		t.Errorf("it is gone:\n%s", st.world.Dump())
	}
}
