//go:build linux

package lab_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/status"
)

// The kernel's table of connections has the rows that are described, where set-up loads
// ip_vs; where it is loaded already, its own until it is loaded anew, which
// "lvsdr status --tuning" tells.
func TestConnTabBits(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS)
	unloadIPVS(t)
	l := newLab(t)
	c := describe("10.10.10.22", 1, 1)
	for _, x := range []struct {
		described int
		has, note string
	}{{9, "9", ""}, {10, "9", "conn-table-option"}} {
		c.Tuning.ConnTabBits = x.described
		setUp(t, l, c)
		if got := strings.TrimSpace(sh(t, l.Director, "cat /sys/module/ip_vs/parameters/conn_tab_bits")); got != x.has {
			t.Errorf("2^%d rows are described, and the kernel has 2^%s, not 2^%s", x.described, got, x.has)
		}
		if got := noteOnTable(t, l.Director); got != x.note {
			t.Errorf("2^%d rows are described, the kernel has 2^%s: noted is %q, not %q", x.described, x.has, got, x.note)
		}
	}
	if got := sh(t, l.Director, optionCommand); !strings.Contains(got, "conn_tab_bits=10") {
		t.Errorf("%s: %q", optionCommand, got)
	}
	tearDown(t, l.Director, c, true)
	enlarge(t, l.Director)
}

// optionCommand is that of the note on an option that is not in force.
const optionCommand = "modprobe --showconfig | grep '^options ip_vs '"

// enlarge has more connections noted than a table of 2^9 rows has room for, and ip_vs loaded
// anew after the command of the note.
func enlarge(t *testing.T, h *lab.Host) {
	t.Helper()
	st := &status.Status{Services: []status.Service{{RealServers: []status.RealServer{{Active: 513}}}}}
	notes, err := status.Tuning(t.Context(), h.LVS(), st)
	if err != nil || len(notes) != 1 || notes[0].About != "conn-table" {
		t.Fatalf("%+v, %v", notes, err)
	}
	sh(t, h, notes[0].Command)
	unloadIPVS(t)
	sh(t, h, "modprobe ip_vs")
	if got := strings.TrimSpace(sh(t, h, "cat /sys/module/ip_vs/parameters/conn_tab_bits")); got != "10" {
		t.Errorf("after %s the table has 2^%s rows", notes[0].Command, got)
	}
}

// noteOnTable is the note that there is on the table of connections.
func noteOnTable(t *testing.T, h *lab.Host) (about string) {
	t.Helper()
	st, err := status.Look(t.Context(), h.LVS())
	if err != nil {
		t.Fatal(err)
	}
	notes, err := status.Tuning(t.Context(), h.LVS(), st)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		if strings.HasPrefix(n.About, "conn-table") {
			about += n.About
		}
	}
	return about
}

// unloadIPVS takes ip_vs out of the guest's kernel, once the hosts of labs before are
// gone: while one goes, Linux 6.1 may lock up.
func unloadIPVS(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, there := os.Stat("/sys/module/ip_vs_wrr"); there == nil { // somebody had services
		time.Sleep(3 * time.Second)
	}
	for {
		out, err := exec.CommandContext(ctx, "sh", "-c", `modprobe -r $(sed -n 's/^\(ip_vs_[a-z]*\) .*/\1/p' /proc/modules) ip_vs`).CombinedOutput()
		if _, there := os.Stat("/sys/module/ip_vs"); there != nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("ip_vs stays: %v: %s", err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
