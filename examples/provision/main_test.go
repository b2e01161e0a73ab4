package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

const description = `services:
  - vip: 10.10.10.22
    realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]
`

// A real server in a namespace of the running kernel.
func TestProvision(t *testing.T) {
	lab.Need(t, lab.Netns)
	l, err := lab.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	// No director is there, and nobody listens: the proof of a real server minds neither.
	r := run(t, l.RealServers[0].LVS(), description)
	if r.Role != cluster.RealServerRole || r.Error != "" {
		t.Errorf("got %+v", r)
	}
	for _, want := range []string{"set net.ipv4.conf.all.arp_ignore: 0 -> 1", "add 10.10.10.22/32 dev lo label lo:0", "add " + motdFile} {
		if !slices.Contains(r.Planned, want) {
			t.Errorf("planned %q without %q", r.Planned, want)
		}
	}
	if len(r.Changes) != len(r.Planned) {
		t.Errorf("planned %d changes, made %d", len(r.Planned), len(r.Changes))
	}
}

// Both roles on a host in memory: a second run finds nothing to do, the check speaks up
// when a real server is gone, and Down takes the step's file along.
func TestProvisionTwice(t *testing.T) {
	// Whoever removes the file by hand removes the memory of its folder with it.
	for role, w := range map[string]*lvsdrtest.World{
		cluster.DirectorRole:   lvsdrtest.Director(lvsdrtest.HealthyLAN(), "mkdir -p /etc/motd.d"),
		cluster.RealServerRole: lvsdrtest.RealServer(lvsdrtest.HealthyLAN(), "mkdir -p /etc/motd.d"),
	} {
		text := description + "directors: [{address: 10.10.10.30}]\n"
		before := w.Dump()
		if r := run(t, w.Host(), text); r.Role != role || len(r.Changes) == 0 {
			t.Errorf("%s: got %+v", role, r)
		}
		if r := run(t, w.Host(), text); len(r.Changes) > 0 {
			t.Errorf("%s: a second time: %v", role, r.Changes)
		}
		c, err := cluster.ParseConfig("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := roleOf(role, c)
		if err != nil {
			t.Fatal(err)
		}
		if told := ofSpare(t, ours, w.Host()); len(told) > 0 {
			t.Errorf("%s: %+v", role, told)
		}
		if err := w.Run("lan del 02:00:00:00:00:32 10.10.10.32"); err != nil {
			t.Fatal(err)
		}
		if told := ofSpare(t, ours, w.Host()); role == cluster.DirectorRole != (len(told) == 1 && strings.HasSuffix(told[0].What, "is served by 1 real servers")) {
			t.Errorf("%s with one real server: %+v", role, told)
		}
		if err := w.Run("lan add 02:00:00:00:00:32 10.10.10.32"); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.Down(t.Context(), w.Host()); err != nil {
			t.Error(err)
		}
		if after := w.Dump(); unloaded(after) != unloaded(before) {
			t.Errorf("%s: before\n%s\nafter\n%s", role, before, after)
		}
	}
}

// ofSpare is what the check of our own says against the host.
func ofSpare(t *testing.T, role lvsdr.Role, h *host.Host) (told []doctor.Finding) {
	t.Helper()
	for _, f := range role.Doctor(t.Context(), h) {
		if f.Check == spare.Code && f.Severity != doctor.OK {
			told = append(told, f)
		}
	}
	return told
}

// unloaded is a dump without its modules, which stay loaded, in any order.
func unloaded(dump string) string {
	lines := slices.DeleteFunc(strings.Split(dump, "\n"), func(l string) bool { return strings.HasPrefix(l, "modprobe ") })
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestProvisionRefuses(t *testing.T) {
	w := lvsdrtest.RealServer()
	var out bytes.Buffer
	err := provision(t.Context(), w.Host(), "c.yaml", []byte("services: [{vip: 10.10.10.22, port: 80}]"), &out)
	if err == nil || !strings.Contains(out.String(), "c.yaml:1:") || w.Edits() > 0 {
		t.Errorf("got %v, %s, %d edits", err, out.String(), w.Edits())
	}
}

func run(t *testing.T, h *host.Host, text string) (r report) {
	t.Helper()
	var out bytes.Buffer
	err := provision(t.Context(), h, "c.yaml", []byte(text), &out)
	if e := json.Unmarshal(out.Bytes(), &r); e != nil {
		t.Fatal(e)
	}
	if err != nil {
		t.Errorf("provision: %v", err)
	}
	return r
}
