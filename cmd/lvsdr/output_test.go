package main

import (
	"context"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func TestColour(t *testing.T) {
	for _, test := range []struct {
		name     string
		terminal bool
		env      map[string]string
		args     []string
		want     bool
	}{
		{name: "terminal", terminal: true, want: true},
		{name: "pipe"},
		{name: "NO_COLOR", terminal: true, env: map[string]string{"NO_COLOR": "1"}},
		{name: "dumb", terminal: true, env: map[string]string{"TERM": "dumb"}},
		{name: "json", terminal: true, args: []string{"-o", "json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := newStage(t.TempDir())
			st.enter(lvsdrtest.RealServer())
			st.sys.terminal = test.terminal
			st.sys.getenv = func(key string) string { return test.env[key] }
			var stdout, stderr strings.Builder
			args := append([]string{"plan", "realserver", "--vip", "10.10.10.22"}, test.args...)
			if status := run(context.Background(), args, st.sys, &stdout, &stderr); status != exitOK {
				t.Fatalf("exit status %d: %s", status, stderr.String())
			}
			if got := strings.Contains(stdout.String(), "\x1b["); got != test.want {
				t.Errorf("colour %v, want %v:\n%s", got, test.want, stdout.String())
			}
		})
	}
}

func TestColourKeepsColumns(t *testing.T) {
	changes := []step.Change{
		{Step: "sysctls", Op: step.Set, Object: "a", From: "0", To: "1"},
		{Step: "vip", Op: step.Remove, Object: "longer", From: "x"},
		{Step: "vip", Op: step.Add, Object: "two\nlines"},
	}
	plain := lines(&output{}, changes)
	want := []string{
		`sysctls  set     a       0 -> 1`,
		`vip      remove  longer  x`,
		`vip      add     two\nlines`,
	}
	coloured := lines(&output{colour: true}, changes)
	strip := strings.NewReplacer(green, "", yellow, "", red, "", "\x1b[0m", "")
	for i := range want {
		if plain[i] != want[i] {
			t.Errorf("got  %q\nwant %q", plain[i], want[i])
		}
		if got := strip.Replace(coloured[i]); got != want[i] {
			t.Errorf("coloured: got  %q\nwant %q", got, want[i])
		}
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"setup", "plan", "teardown", "realserver", "director"}
	for word, want := range map[string]string{
		"setpu": "setup", "real-server": "realserver", "realservr": "realserver", "directr": "director",
		"pln": "plan", "frobnicate": "", "x": "", "": "", "tear": "",
	} {
		if got := nearest(word, candidates); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
