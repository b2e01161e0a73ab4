//go:build linux

package lab_test

import (
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

const keepalivedFile = `engine: keepalived
services:
  - vip: 10.10.10.22
    check: {interval: 1s, timeout: 1s, retries: 0}
    realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]
`

// Set-up that starts keepalived, killed with SIGKILL at any moment and run again, ends
// where an unbroken one does, with one keepalived; teardown after it restores the host.
// TestKilledAtAnyMoment has the other engine.
func TestKilledUnderKeepalived(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	l := newLab(t)
	serve(t, l.RealServers...)
	sh(t, l.Director, "modprobe -a ip_vs ip_vs_wrr; mkdir -p /etc/lvsdr; cat >/etc/lvsdr/lvsdr.yaml <<'E'\n"+keepalivedFile+"E")
	const set, processes = "lvsdr setup director -q --runtime", "pgrep -c '^lvsdr-(keepalive|checkers)' || true"
	dump := func() string { return numberless{box{t, l.Director, l.Director.LVS()}}.Dump() }
	// A real server is in the table while its check passes, which may take its time here.
	await := func(good func(now string) bool) (now string) {
		for range 100 {
			if now = dump(); good(now) {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		return now
	}
	before, begun := dump(), time.Now()
	sh(t, l.Director, set)
	whole := time.Since(begun)
	want := await(func(now string) bool { return strings.Count(now, "ipvs -a ") == 2 })
	running := sh(t, l.Director, processes)
	if strings.TrimSpace(running) == "0" {
		t.Fatal("keepalived does not run")
	}
	const kills = 5
	killed := 0
	for i := range kills {
		sh(t, l.Director, "lvsdr teardown director -q --runtime")
		cmd := exec.Command("sh", "-c", "exec "+set)
		if err := l.Director.Start(cmd); err != nil {
			t.Fatal(err)
		}
		_, moment := math.Modf(float64(i) * math.Phi) // spreads evenly
		timer := time.AfterFunc(time.Duration(moment*float64(whole)), func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		if i%2 == 0 { // else teardown comes at once
			sh(t, l.Director, set)
			if now := await(func(now string) bool { return sameLines(want, now) }); !sameLines(want, now) {
				same(t, want, now)
			}
			if now := sh(t, l.Director, processes); now != running {
				t.Errorf("%s processes of keepalived, and %s before", strings.TrimSpace(now), strings.TrimSpace(running))
			}
		}
	}
	sh(t, l.Director, "lvsdr teardown director -q --runtime")
	same(t, before, dump())
	t.Logf("%d of %d set-ups were killed before their end, which came after %v", killed, kills, whole.Round(time.Millisecond))
	if killed == 0 {
		t.Error("no set-up was killed before its end")
	}
}
