package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/units"
)

// What a network manager takes away while systemd runs a set-up comes back with that run:
// lvsdr.path does not hear of it.
func TestReassertSeesWhatHappensMeanwhile(t *testing.T) {
	st := newStage("/")
	st.enter(lvsdrtest.RealServer())
	if status := run(t.Context(), []string{"setup", "realserver", "--vip", "10.10.10.22", "--passive"}, st.sys, io.Discard, io.Discard); status > exitFailed {
		t.Fatalf("status %d", status)
	}
	looks, state := 0, "written at the boot"
	st.sys.written = func(names []string) string {
		if !strings.Contains(strings.Join(names, " "), "/run/systemd/netif/links") {
			t.Errorf("watched are %q", names)
		}
		if looks++; looks == 2 { // after the second look
			if err := st.world.Run("ip addr del 10.10.10.22/32 dev lo"); err != nil {
				t.Error(err)
			}
			state = "written anew"
		}
		return state
	}
	if status := run(t.Context(), []string{"setup", "realserver", "--runtime", "--reassert"}, st.sys, io.Discard, io.Discard); status != exitOK {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(st.world.Dump(), "10.10.10.22/32 dev lo") || looks != 4 {
		t.Errorf("after %d looks at what is written:\n%s", looks, st.world.Dump())
	}
}

// Where somebody writes all the time, it ends nevertheless.
func TestReassertEnds(t *testing.T) {
	st := newStage("/")
	st.enter(lvsdrtest.RealServer())
	run(t.Context(), []string{"setup", "realserver", "--vip", "10.10.10.22", "--passive"}, st.sys, io.Discard, io.Discard)
	st.sys.written = func([]string) string { return time.Now().String() }
	if status := run(t.Context(), []string{"setup", "realserver", "--runtime", "--reassert"}, st.sys, io.Discard, io.Discard); status != exitOK {
		t.Errorf("status %d", status)
	}
}

// A write to a file, a new file in a folder and one that goes are each seen.
func TestWritten(t *testing.T) {
	dir := t.TempDir()
	folder, file := filepath.Join(dir, "links"), filepath.Join(dir, "lvsdr.yaml")
	watched := append(units.NetworkState(), folder, file)
	seen := lastWritten(watched)
	if seen != lastWritten(watched) {
		t.Error("nobody wrote")
	}
	for _, write := range []func() error{
		func() error { return os.Mkdir(folder, 0o755) },
		func() error { return os.WriteFile(filepath.Join(folder, "2"), []byte("a"), 0o644) },
		func() error { return os.WriteFile(filepath.Join(folder, "2"), []byte("ab"), 0o644) },
		func() error { return os.Remove(filepath.Join(folder, "2")) },
		func() error { return os.WriteFile(file, nil, 0o644) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if now := lastWritten(watched); now == seen {
			t.Errorf("a write is not seen: %s", now)
		} else {
			seen = now
		}
	}
}
