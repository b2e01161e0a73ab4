package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// besides has a program's Role.Apply tried while the command changes the host.
type besides struct {
	host.Sysctl
	try func()
}

func (b besides) Set(key, value string) error {
	b.try()
	return b.Sysctl.Set(key, value)
}

// A program that calls the library and the command exclude each other, whoever is first.
func TestProgramAndCommandExcludeEachOther(t *testing.T) {
	st := newStage(t.TempDir())
	words := strings.Fields("setup director --vip 10.10.10.22 -r 10.10.10.31 --firewall none --passive")
	_, unlock, err := st.sys.host().Lock(t.Context(), host.Waiting{}) // as Role.Up does
	if err != nil {
		t.Fatal(err)
	}
	before := st.world.Dump()
	var told strings.Builder
	if status := run(t.Context(), words, st.sys, io.Discard, &told); status != exitFailed || !strings.Contains(told.String(), "nothing was changed") {
		t.Errorf("beside a program the command ends with %d: %s", status, told.String())
	}
	if st.world.Dump() != before {
		t.Error("something was changed")
	}
	unlock()

	c, err := cluster.ParseConfig("c", []byte("services: [{vip: 10.10.10.23, realServers: [{address: 10.10.10.31}]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	tried, h := 0, st.sys.host()
	beside := *st.world.Host()
	h.Sysctl = besides{h.Sysctl, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if made, err := role.Apply(ctx, &beside, step.Present); err == nil || len(made) > 0 {
			t.Errorf("beside the command a program makes %v, %v", made, err)
		}
		tried++
	}}
	if status := run(t.Context(), words, st.sys, io.Discard, &told); status != exitOK || tried == 0 {
		t.Errorf("the command ends with %d, a program tried %d times: %s", status, tried, told.String())
	}
}
