package step_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// fakeFirewall is a firewall of a few gates.
type fakeFirewall struct {
	name  string
	gates []host.Gate
	sets  int
	err   error
}

func (f *fakeFirewall) Name() string { return f.name }

func (f *fakeFirewall) Gates(context.Context) ([]host.Gate, error) {
	return slices.Clone(f.gates), f.err
}

func (f *fakeFirewall) Set(_ context.Context, gate string, openings []host.Opening) error {
	f.sets++
	for i := range f.gates {
		if f.gates[i].Name == gate {
			f.gates[i].Openings, f.gates[i].Shadowed = slices.Clone(openings), false
		}
	}
	return nil
}

var (
	webOpening  = host.Opening{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.TCP, Port: 80}
	dnsOpening  = host.Opening{VIP: netip.MustParseAddr("10.10.10.22"), Protocol: cluster.UDP, Port: 53}
	web6Opening = host.Opening{VIP: netip.MustParseAddr("fd00::22"), Protocol: cluster.TCP, Port: 80}
)

// icmp is what many firewalls let in.
var icmp = []cluster.Protocol{host.ICMP, host.ICMPv6}

func portsConfig(openings ...host.Opening) cluster.Config {
	var c cluster.Config
	for _, o := range openings {
		c.Services = append(c.Services, cluster.Service{VIP: o.VIP, Ports: []cluster.Port{{Number: o.Port, Protocol: o.Protocol}}})
	}
	return c
}

func TestPortsPlan(t *testing.T) {
	services := []cluster.Protocol{cluster.TCP, cluster.UDP, cluster.SCTP}
	named := func(name string, c cluster.Config) cluster.Config { c.Firewall = name; return c }
	in, out := host.Gate{Name: "in", Filters: true, Admits: icmp}, host.Gate{Name: "out", Filters: true, Output: true, Admits: icmp}
	track := host.Gate{Name: "track", Filters: true, Untracked: true, Admits: icmp}
	with := func(g host.Gate, openings ...host.Opening) host.Gate { g.Openings = openings; return g }
	shadowed := with(in, webOpening)
	shadowed.Shadowed = true
	tests := []struct {
		name  string
		step  step.Step
		want  step.State
		gates []host.Gate
		plan  []string
	}{
		{"nothing filters", step.DirectorPorts(portsConfig(webOpening)), step.Present, []host.Gate{{Name: "in"}}, nil},
		{"real server", step.RealServerPorts(portsConfig(webOpening)), step.Present, []host.Gate{track, out, in}, []string{"add tcp 10.10.10.22:80 in fake in: accept"}},
		{"director", step.DirectorPorts(portsConfig(webOpening)), step.Present, []host.Gate{track, out, in}, []string{
			"add tcp 10.10.10.22:80 in fake out: accept", "add tcp 10.10.10.22:80 in fake in: accept", "add tcp 10.10.10.22:80 in fake track: notrack",
		}},
		{"there already", step.RealServerPorts(portsConfig(webOpening)), step.Present, []host.Gate{with(in, webOpening)}, nil},
		{"behind a drop", step.RealServerPorts(portsConfig(webOpening)), step.Present, []host.Gate{shadowed}, []string{"add tcp 10.10.10.22:80 in fake in: accept"}},
		{"one more and one less", step.RealServerPorts(portsConfig(dnsOpening)), step.Present, []host.Gate{with(in, webOpening)}, []string{
			"add udp 10.10.10.22:53 in fake in: accept", "remove tcp 10.10.10.22:80 in fake in: accept",
		}},
		{"filters no more", step.RealServerPorts(portsConfig(webOpening)), step.Present, []host.Gate{{Name: "in", Openings: []host.Opening{webOpening}}},
			[]string{"remove tcp 10.10.10.22:80 in fake in: accept"}},
		{"family", step.RealServerPorts(portsConfig(webOpening, web6Opening)), step.Present,
			[]host.Gate{{Name: "v4", Family: "ip", Filters: true}, {Name: "v6", Family: "ip6", Filters: true}}, []string{
				"add fragmentation-needed 10.10.10.22 in fake v4: accept", "add tcp 10.10.10.22:80 in fake v4: accept",
				"add tcp [fd00::22]:80 in fake v6: accept", "add packet-too-big fd00::22 in fake v6: accept",
			}},
		{"what routers say alone", step.DirectorPorts(portsConfig(webOpening)), step.Present,
			[]host.Gate{{Name: "in", Filters: true, Admits: services}, {Name: "track", Filters: true, Untracked: true, Admits: services}},
			[]string{"add fragmentation-needed 10.10.10.22 in fake in: accept", "add fragmentation-needed 10.10.10.22 in fake track: notrack"}},
		{"teardown", step.DirectorPorts(portsConfig()), step.Absent, []host.Gate{with(in, webOpening), with(track, webOpening)}, []string{
			"remove tcp 10.10.10.22:80 in fake track: notrack", "remove tcp 10.10.10.22:80 in fake in: accept",
		}},
		{"none", step.RealServerPorts(named("none", portsConfig(webOpening))), step.Present, []host.Gate{with(in, webOpening)},
			[]string{"remove tcp 10.10.10.22:80 in fake in: accept"}},
		{"by name", step.RealServerPorts(named("fake", portsConfig(webOpening))), step.Present, []host.Gate{in}, []string{"add tcp 10.10.10.22:80 in fake in: accept"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeFirewall{name: "fake", gates: tt.gates}
			h := &host.Host{Firewalls: []host.Firewall{f}, Files: linux.OSFiles{Root: t.TempDir()}}
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
			role := lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{tt.step}}
			apply := role.Up
			if tt.want == step.Absent {
				apply = role.Down
			}
			if _, err := apply(context.Background(), h); err != nil {
				t.Error(err)
			}
		})
	}
}

func changeLines(changes []step.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return all
}

// One gate is set once, whatever the number of its changes.
func TestPortsSetsAGateOnce(t *testing.T) {
	f := &fakeFirewall{name: "fake", gates: []host.Gate{{Name: "in", Filters: true, Admits: icmp}}}
	ports := step.RealServerPorts(portsConfig(webOpening, dnsOpening, web6Opening))
	plan, err := ports.Plan(context.Background(), &host.Host{Firewalls: []host.Firewall{f}}, step.Present)
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
	owned := &fakeFirewall{name: "fake", gates: []host.Gate{{Name: "in", Filters: true, Owner: "firewalld", Admits: icmp}}}
	refusing := &fakeFirewall{name: "fake", gates: []host.Gate{{Name: "disk", Filters: true, Refuses: "it is in lockdown: unlock it", Admits: icmp}}}
	idle := &fakeFirewall{name: "ufw", gates: []host.Gate{{Name: "in", Stopped: true}}}
	c := portsConfig(webOpening)
	tests := []struct {
		name, firewall string
		host           []host.Firewall
		want           step.State
		is             error
		says           string
	}{
		{"unknown name", "ufw", []host.Firewall{broken}, step.Present, nil, `firewall "ufw": this host has broken`},
		{"stopped", "ufw", []host.Firewall{idle, broken}, step.Present, nil, `firewall "ufw": this host has broken`},
		{"unknown name, teardown", "ufw", nil, step.Absent, nil, ""},
		{"unreadable", "", []host.Firewall{broken}, step.Present, fs.ErrPermission, "broken: "},
		{"unreadable but not chosen", "none", []host.Firewall{broken}, step.Present, nil, ""},
		{"unreadable, teardown", "none", []host.Firewall{broken}, step.Absent, fs.ErrPermission, "broken: "},
		{"owned", "auto", []host.Firewall{owned}, step.Present, nil, "in: only firewalld can change it: let it admit tcp 10.10.10.22:80 and set up with firewall none"},
		{"refusing", "auto", []host.Firewall{refusing}, step.Present, nil, "disk: it is in lockdown: unlock it; or set up with firewall none"},
		{"refusing, nothing to do", "auto", []host.Firewall{refusing}, step.Absent, nil, ""},
		{"owned but not chosen", "none", []host.Firewall{owned}, step.Present, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.Firewall = tt.firewall
			_, err := step.RealServerPorts(c).Plan(context.Background(), &host.Host{Firewalls: tt.host}, tt.want)
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

// A manager opens its own rules; what it lets in is not put into them as well. What
// is on disk stays as it is where only the running host is set up, and then the
// loaded rules are opened.
func TestPortsOfManagers(t *testing.T) {
	zone := host.Gate{Name: "public", Filters: true, Admits: icmp}
	disk := host.Gate{Name: "public (permanent)", Filters: true, Lasts: true, Later: true, Admits: icmp}
	drop := host.Gate{Name: "drop", Filters: true}
	in := host.Gate{Name: "in", Filters: true, Lasts: true, Unable: []cluster.Protocol{cluster.SCTP}, Admits: icmp}
	kept := func(by string, has ...host.Opening) host.Gate {
		g := host.Gate{Name: "loaded", Filters: true, Keeper: by, Openings: has}
		if by == "" {
			g.Admits = icmp
		}
		return g
	}
	with := func(g host.Gate, o ...host.Opening) host.Gate { g.Openings = o; return g }
	stopped := host.Gate{Name: "on disk", Lasts: true, Later: true, Stopped: true, Openings: []host.Opening{{VIP: webOpening.VIP, Protocol: cluster.TCP, Port: 53}}}
	owned := kept("firewalld")
	owned.Owner = "somebody"
	sctp := host.Opening{VIP: webOpening.VIP, Protocol: cluster.SCTP, Port: 80}
	web := portsConfig(webOpening)
	none := web
	none.Firewall = "none"
	rules := web
	rules.Firewall = "nftables"
	tests := []struct {
		name    string
		manager string
		gates   []host.Gate // of the manager
		loaded  host.Gate
		config  cluster.Config
		runtime bool
		want    step.State
		lines   []string
	}{
		{"firewalld", "firewalld", []host.Gate{zone, disk}, owned, web, false, step.Present, []string{
			"add tcp 10.10.10.22:80 in firewalld public: accept", "add tcp 10.10.10.22:80 in firewalld public (permanent): accept"}},
		{"a zone that drops", "firewalld", []host.Gate{drop}, owned, web, false, step.Present, []string{
			"add fragmentation-needed 10.10.10.22 in firewalld drop: accept", "add tcp 10.10.10.22:80 in firewalld drop: accept"}},
		{"firewalld now", "firewalld", []host.Gate{zone, disk}, owned, web, true, step.Present, []string{
			"add tcp 10.10.10.22:80 in firewalld public: accept"}},
		{"firewalld after its reload", "firewalld", []host.Gate{with(zone, webOpening), with(disk, webOpening)}, owned, web, false, step.Present, nil},
		{"from the loaded rules to firewalld", "firewalld", []host.Gate{zone, with(disk, webOpening)}, kept("firewalld", webOpening), web, false, step.Present, []string{
			"add tcp 10.10.10.22:80 in firewalld public: accept", "remove tcp 10.10.10.22:80 in nftables loaded: accept"}},
		{"firewalld not chosen", "firewalld", []host.Gate{zone, disk}, kept("firewalld"), rules, false, step.Present, []string{
			"add tcp 10.10.10.22:80 in nftables loaded: accept"}},
		{"none", "firewalld", []host.Gate{with(zone, webOpening), with(disk, webOpening)}, owned, none, false, step.Present, []string{
			"remove tcp 10.10.10.22:80 in firewalld public: accept", "remove tcp 10.10.10.22:80 in firewalld public (permanent): accept"}},
		{"teardown", "firewalld", []host.Gate{with(zone, webOpening), with(disk, webOpening)}, owned, web, false, step.Absent, []string{
			"remove tcp 10.10.10.22:80 in firewalld public (permanent): accept", "remove tcp 10.10.10.22:80 in firewalld public: accept"}},
		{"teardown now", "firewalld", []host.Gate{with(zone, webOpening), with(disk, webOpening)}, owned, web, true, step.Absent, []string{
			"remove tcp 10.10.10.22:80 in firewalld public: accept"}},
		{"firewalld is stopped", "firewalld", []host.Gate{stopped}, kept(""), web, false, step.Present, []string{
			"add tcp 10.10.10.22:80 in nftables loaded: accept"}},
		{"firewalld is stopped, and not chosen", "firewalld", []host.Gate{stopped}, kept("", webOpening), rules, false, step.Present, []string{
			"remove tcp 10.10.10.22:53 in firewalld on disk: accept"}},
		{"teardown, firewalld is stopped", "firewalld", []host.Gate{stopped}, kept(""), web, false, step.Absent, []string{
			"remove tcp 10.10.10.22:53 in firewalld on disk: accept"}},
		{"teardown now, firewalld is stopped", "firewalld", []host.Gate{stopped}, kept(""), web, true, step.Absent, nil},
		{"ufw is disabled", "ufw", []host.Gate{{Name: "in", Lasts: true, Stopped: true, Openings: []host.Opening{webOpening}}}, kept(""), web, false, step.Present, []string{
			"add tcp 10.10.10.22:80 in nftables loaded: accept"}},
		{"ufw", "ufw", []host.Gate{in}, kept("ufw"), web, false, step.Present, []string{"add tcp 10.10.10.22:80 in ufw in: accept"}},
		{"ufw now", "ufw", []host.Gate{in}, kept("ufw"), web, true, step.Present, []string{"add tcp 10.10.10.22:80 in nftables loaded: accept"}},
		{"ufw now, as on disk", "ufw", []host.Gate{with(in, webOpening)}, kept("ufw"), web, true, step.Present, nil},
		{"ufw and SCTP", "ufw", []host.Gate{in}, kept("ufw"), portsConfig(sctp), false, step.Present, []string{"add sctp 10.10.10.22:80 in nftables loaded: accept"}},
		{"ufw and another's rules", "ufw", []host.Gate{with(in, webOpening)}, kept(""), web, false, step.Present, []string{"add tcp 10.10.10.22:80 in nftables loaded: accept"}},
		{"installed alone", "ufw", nil, kept(""), web, false, step.Present, []string{"add tcp 10.10.10.22:80 in nftables loaded: accept"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &host.Host{Runtime: tt.runtime, Firewalls: []host.Firewall{
				&fakeFirewall{name: tt.manager, gates: tt.gates}, &fakeFirewall{name: "nftables", gates: []host.Gate{tt.loaded}},
			}}
			plan, err := step.RealServerPorts(tt.config).Plan(t.Context(), h, tt.want)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, c := range plan {
				lines = append(lines, c.String())
			}
			if !slices.Equal(lines, tt.lines) {
				t.Errorf("%q\nwant %q", lines, tt.lines)
			}
		})
	}
}

// A manager that is named and does not run is an error, not an open door.
func TestPortsOfIdleManager(t *testing.T) {
	c := portsConfig(webOpening)
	c.Firewall = "ufw"
	h := &host.Host{Firewalls: []host.Firewall{&fakeFirewall{name: "ufw"}, &fakeFirewall{name: "nftables"}}}
	_, err := step.RealServerPorts(c).Plan(t.Context(), h, step.Present)
	if err == nil || !strings.Contains(err.Error(), `firewall "ufw": this host has nftables: name one of them`) {
		t.Error(err)
	}
}
