package lvsdr_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// synced is the mission's cluster whose directors tell each other of their connections.
func synced(id int) cluster.Config {
	c := mission()
	c.Sync = &cluster.Sync{Interface: "eth0", ID: &id}
	return c
}

func director(t *testing.T, c cluster.Config) lvsdr.Role {
	t.Helper()
	r, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// daemonsIn are the lines of a world's dump that start sync daemons.
func daemonsIn(w *lvsdrtest.World) (lines []string) {
	for line := range strings.Lines(w.Dump()) {
		if strings.HasPrefix(line, "ipvsadm --start-daemon") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// The daemons follow the description, are opened in the firewall, and end with it.
func TestSyncFollows(t *testing.T) {
	const master, backup = "ipvsadm --start-daemon master --mcast-interface eth0 --syncid ", "ipvsadm --start-daemon backup --mcast-interface eth0 --syncid "
	const rest = " --mcast-group 224.0.0.81 --mcast-port 8848"
	w := lvsdrtest.Director("iptables -P INPUT DROP\niptables -P OUTPUT DROP")
	for _, tt := range []struct {
		config cluster.Config
		want   string
	}{
		{synced(7), master + "7" + rest + "," + backup + "7" + rest},
		{synced(8), master + "8" + rest + "," + backup + "8" + rest},
		{mission(), ""},
	} {
		if _, err := director(t, tt.config).Up(t.Context(), w.Host()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(daemonsIn(w), ","); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if n := strings.Count(w.Dump(), " --dport 8848 "); n != map[bool]int{true: 2, false: 0}[tt.want != ""] {
			t.Errorf("%d openings for %q:\n%s", n, tt.want, w.Dump())
		}
	}
	// One that ended by itself leaves no record by which somebody else's would go.
	if _, err := director(t, synced(7)).Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	const stop = "ipvsadm --stop-daemon master\nipvsadm --stop-daemon backup"
	if err := w.Run(stop); err != nil {
		t.Fatal(err)
	}
	if _, err := director(t, mission()).Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if err := w.Run("ipvsadm --start-daemon master --mcast-interface eth0 --syncid 3"); err != nil {
		t.Fatal(err)
	}
	if _, err := director(t, mission()).Down(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if got := daemonsIn(w); len(got) != 1 {
		t.Errorf("somebody's daemon is gone: %v", got)
	}
}

// Somebody else's daemon that does otherwise is refused before anything is touched.
func TestSyncForeign(t *testing.T) {
	w := lvsdrtest.Director("modprobe ip_vs\nipvsadm --start-daemon master --mcast-interface eth0 --syncid 3")
	before := w.Dump()
	_, err := director(t, synced(7)).Up(t.Context(), w.Host())
	if !errors.Is(err, step.ErrForeignDaemon) || !strings.Contains(err.Error(), "dev eth0 id 3") {
		t.Errorf("got %v", err)
	}
	if now := w.Dump(); now != before {
		t.Errorf("touched:\n%s", now)
	}
}
