package main

import (
	"context"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// lookEvery is after how many of them the host is looked at: what one leaves behind the
// next ones do not take away, and looking at everything is dear in a guest.
const lookEvery = 10

// fewest is how often set-up is killed on a slow machine.
const fewest = 30

// Set-up killed with SIGKILL at any moment and run again ends where an unbroken
// one does, and teardown after it restores the host.
func TestKilledAtAnyMoment(t *testing.T) {
	lab.Need(t, lab.Netns)
	guest := lab.Guest.Missing() == nil
	for _, tt := range []struct {
		name  string
		kills int // how often, spread over the whole duration of a set-up
		guest bool
		args  string
	}{
		{"realserver", 30, false, "setup realserver --passive --vip 10.10.10.22 --vip fd00:10::22"},
		{"director", 60, true, "setup director --passive --vip 10.10.10.22 --vip fd00:10::22 -r 10.10.10.31 -r 10.10.10.32=3 -r fd00:10::31 --timeouts 30s,5s,60s"},
	} {
		if tt.guest != guest {
			continue // a real server needs no IPVS and is killed faster outside
		}
		t.Run(tt.name, func(t *testing.T) {
			if tt.guest {
				lab.Need(t, lab.IPVS)
			}
			l, err := lab.New(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			victim{t, l.Director, strings.Fields(tt.args), tt.name}.survives(tt.kills)
		})
	}
}

// A victim is a host on which set-up is killed.
type victim struct {
	*testing.T
	host *lab.Host
	args []string
	role string
}

func (v victim) survives(kills int) {
	v.Helper()
	v.run(v.args...) // the modules are loaded from here on
	v.run("teardown", v.role)
	before := v.state()
	start := time.Now()
	v.run(v.args...)
	whole := time.Since(start)
	want := v.state()
	v.run("teardown", v.role)
	v.same("teardown", before)
	// As many as ten minutes allow: each costs three runs of the command or so.
	kills = min(kills, max(fewest, int(10*time.Minute/(3*whole))))
	cut, tries := 0, 0
	for ; cut < kills && !v.Failed(); tries++ {
		if tries == 4*kills {
			v.Errorf("only %d of %d set-ups were killed before their end", cut, tries)
		}
		// Multiples of the golden ratio spread evenly however many they become.
		_, moment := math.Modf(float64(tries) * math.Phi)
		if v.killed(time.Duration(moment * float64(whole))) {
			cut++
		}
		if tries%2 == 0 { // else teardown comes at once
			v.run(v.args...)
			if tries%lookEvery == 0 {
				v.same("set-ups over ones that were killed", want)
			}
		}
		v.run("teardown", v.role)
		if tries%lookEvery == 0 {
			v.same("teardowns after set-ups that were killed", before)
		}
	}
	v.same("the last teardown", before)
	v.Logf("%d of %d set-ups were killed before their end, which came after %v", cut, tries, whole)
}

// killed starts set-up, kills it after a while, and tells whether it was still
// running.
func (v victim) killed(after time.Duration) bool {
	cmd := v.process(v.args...)
	if err := v.host.Start(cmd); err != nil {
		v.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() != nil
}

// process is the command without the proof after it, which changes nothing: to kill
// that would be easy.
func (v victim) process(args ...string) *exec.Cmd {
	cmd := process(v.T, args...)
	cmd.Env = append(cmd.Env, "LVSDR_TEST_MAIN=unproved")
	return cmd
}

func (v victim) run(args ...string) {
	v.Helper()
	cmd := v.process(args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := v.host.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		v.Fatalf("lvsdr %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
}

func (v victim) state() lab.Snapshot {
	v.Helper()
	s, err := v.host.Snapshot(context.Background())
	if err != nil {
		v.Fatal(err)
	}
	return s
}

func (v victim) same(what string, want lab.Snapshot) {
	v.Helper()
	if diff := want.Diff(v.state()); len(diff) > 0 {
		v.Errorf("after %s:\n%s", what, strings.Join(diff, "\n"))
	}
}
