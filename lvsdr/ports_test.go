package lvsdr

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// fakeFirewall is a firewall of a few gates.
type fakeFirewall struct {
	name  string
	gates []Gate
	sets  int
	err   error
}

func (f *fakeFirewall) Name() string { return f.name }

func (f *fakeFirewall) Gates(context.Context) ([]Gate, error) { return slices.Clone(f.gates), f.err }

func (f *fakeFirewall) Set(_ context.Context, gate string, openings []Opening) error {
	f.sets++
	for i := range f.gates {
		if f.gates[i].Name == gate {
			f.gates[i].Openings, f.gates[i].Shadowed = slices.Clone(openings), false
		}
	}
	return nil
}

var (
	webOpening  = Opening{netip.MustParseAddr("10.10.10.22"), TCP, 80}
	dnsOpening  = Opening{netip.MustParseAddr("10.10.10.22"), UDP, 53}
	web6Opening = Opening{netip.MustParseAddr("fd00::22"), TCP, 80}
)

func portsConfig(openings ...Opening) Config {
	var c Config
	for _, o := range openings {
		c.Services = append(c.Services, Service{VIP: o.VIP, Ports: []Port{{o.Port, o.Protocol}}})
	}
	return c
}

func TestPortsPlan(t *testing.T) {
	named := func(name string, c Config) Config { c.Firewall = name; return c }
	in, out := Gate{Name: "in", Filters: true}, Gate{Name: "out", Filters: true, Output: true}
	track := Gate{Name: "track", Filters: true, Untracked: true}
	with := func(g Gate, openings ...Opening) Gate { g.Openings = openings; return g }
	shadowed := with(in, webOpening)
	shadowed.Shadowed = true
	tests := []struct {
		name  string
		step  Step
		want  State
		gates []Gate
		plan  []string
	}{
		{"nothing filters", DirectorPorts(portsConfig(webOpening)), Present, []Gate{{Name: "in"}}, nil},
		{"real server", RealServerPorts(portsConfig(webOpening)), Present, []Gate{track, out, in}, []string{"add tcp 10.10.10.22:80 in fake in: accept"}},
		{"director", DirectorPorts(portsConfig(webOpening)), Present, []Gate{track, out, in}, []string{
			"add tcp 10.10.10.22:80 in fake out: accept", "add tcp 10.10.10.22:80 in fake in: accept", "add tcp 10.10.10.22:80 in fake track: notrack",
		}},
		{"there already", RealServerPorts(portsConfig(webOpening)), Present, []Gate{with(in, webOpening)}, nil},
		{"behind a drop", RealServerPorts(portsConfig(webOpening)), Present, []Gate{shadowed}, []string{"add tcp 10.10.10.22:80 in fake in: accept"}},
		{"one more and one less", RealServerPorts(portsConfig(dnsOpening)), Present, []Gate{with(in, webOpening)}, []string{
			"add udp 10.10.10.22:53 in fake in: accept", "remove tcp 10.10.10.22:80 in fake in: accept",
		}},
		{"filters no more", RealServerPorts(portsConfig(webOpening)), Present, []Gate{{Name: "in", Openings: []Opening{webOpening}}},
			[]string{"remove tcp 10.10.10.22:80 in fake in: accept"}},
		{"family", RealServerPorts(portsConfig(webOpening, web6Opening)), Present,
			[]Gate{{Name: "v4", Family: "ip", Filters: true}, {Name: "v6", Family: "ip6", Filters: true}},
			[]string{"add tcp 10.10.10.22:80 in fake v4: accept", "add tcp [fd00::22]:80 in fake v6: accept"}},
		{"teardown", DirectorPorts(portsConfig()), Absent, []Gate{with(in, webOpening), with(track, webOpening)}, []string{
			"remove tcp 10.10.10.22:80 in fake track: notrack", "remove tcp 10.10.10.22:80 in fake in: accept",
		}},
		{"none", RealServerPorts(named("none", portsConfig(webOpening))), Present, []Gate{with(in, webOpening)},
			[]string{"remove tcp 10.10.10.22:80 in fake in: accept"}},
		{"by name", RealServerPorts(named("fake", portsConfig(webOpening))), Present, []Gate{in}, []string{"add tcp 10.10.10.22:80 in fake in: accept"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeFirewall{name: "fake", gates: tt.gates}
			h := &Host{Firewalls: []Firewall{f}, Files: OSFiles{Root: t.TempDir()}}
			plan, err := tt.step.Plan(context.Background(), h, tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := changeLines(plan); !slices.Equal(got, tt.plan) {
				t.Errorf("plan %q\nwant %q", got, tt.plan)
			}
			if f.sets != 0 {
				t.Error("planning changed something")
			}
			if _, err := (Role{Name: DirectorRole, Steps: []Step{tt.step}}).apply(context.Background(), h, tt.want); err != nil {
				t.Error(err)
			}
		})
	}
}

func changeLines(changes []Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return all
}

// One gate is set once, whatever the number of its changes.
func TestPortsSetsAGateOnce(t *testing.T) {
	f := &fakeFirewall{name: "fake", gates: []Gate{{Name: "in", Filters: true}}}
	step := RealServerPorts(portsConfig(webOpening, dnsOpening, web6Opening))
	plan, err := step.Plan(context.Background(), &Host{Firewalls: []Firewall{f}}, Present)
	if err != nil || len(plan) != 3 {
		t.Fatal(plan, err)
	}
	for _, c := range plan {
		if err := c.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if f.sets != 1 || len(f.gates[0].Openings) != 3 {
		t.Errorf("%d sets, openings %v", f.sets, f.gates[0].Openings)
	}
}

func TestPortsErrors(t *testing.T) {
	broken := &fakeFirewall{name: "broken", err: fs.ErrPermission}
	owned := &fakeFirewall{name: "fake", gates: []Gate{{Name: "in", Filters: true, Owner: "firewalld"}}}
	c := portsConfig(webOpening)
	tests := []struct {
		name, firewall string
		host           []Firewall
		want           State
		is             error
		says           string
	}{
		{"unknown name", "ufw", []Firewall{broken}, Present, nil, `firewall "ufw": this host has broken`},
		{"unknown name, teardown", "ufw", nil, Absent, nil, ""},
		{"unreadable", "", []Firewall{broken}, Present, fs.ErrPermission, "broken: "},
		{"unreadable but not chosen", "none", []Firewall{broken}, Present, nil, ""},
		{"unreadable, teardown", "none", []Firewall{broken}, Absent, fs.ErrPermission, "broken: "},
		{"owned", "auto", []Firewall{owned}, Present, nil, "in: only firewalld can change it: let it admit tcp 10.10.10.22:80 and set up with firewall none"},
		{"owned but not chosen", "none", []Firewall{owned}, Present, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.Firewall = tt.firewall
			_, err := RealServerPorts(c).Plan(context.Background(), &Host{Firewalls: tt.host}, tt.want)
			switch {
			case (err == nil) != (tt.says == ""):
				t.Errorf("error %v", err)
			case err != nil && !strings.Contains(err.Error(), tt.says):
				t.Errorf("error %v, want %q", err, tt.says)
			case tt.is != nil && !errors.Is(err, tt.is):
				t.Errorf("error %v is not %v", err, tt.is)
			}
		})
	}
}
