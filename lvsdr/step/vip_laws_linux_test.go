package step_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var (
	vipDirectorNet   = []string{"link set lo up", "cable eth0 lan", "addr add 10.10.10.30/24 dev eth0", "route add default via 10.10.10.1"}
	vipRealServerNet = []string{"link set lo up", "cable eth0 lan", "addr add 10.10.10.31/24 dev eth0", "route add default via 10.10.10.1"}
	vip6Net          = []string{"link set lo up", "cable eth0 lan", "addr add fd00::30/64 dev eth0 nodad"}
)

// vipLaw is a host as it is found and the plan there.
type vipLaw struct {
	name   string
	role   string
	config cluster.Config
	net    []string
	plan   []string
	// primary: the VIP was the primary address of a subnet, and comes back as a
	// secondary.
	primary bool
}

func vipLaws() []vipLaw {
	v4, director := vipConfig(""), vipConfig("", "10.10.10.31")
	v6 := cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("fd00::22")}}}
	director6 := cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("fd00::22"), RealServers: []cluster.RealServer{{Address: netip.MustParseAddr("fd00::31")}}}}}
	two := vipConfig("", "10.10.10.31")
	two.Services = append(two.Services, cluster.Service{VIP: netip.MustParseAddr("10.10.10.23")}, two.Services[0])
	blackhole4, blackhole6 := "add blackhole 10.10.10.22/32", "add blackhole fd00::22/128"
	with := func(net []string, more ...string) []string { return append(slices.Clone(net), more...) }
	return []vipLaw{
		{name: "director", role: cluster.DirectorRole, config: director, net: vipDirectorNet,
			plan: []string{"add 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, two VIPs", role: cluster.DirectorRole, config: two, net: vipDirectorNet,
			plan: []string{"add 10.10.10.22/32 dev eth0 label eth0:0", "add 10.10.10.23/32 dev eth0 label eth0:0"}},
		{name: "director, long name", role: cluster.DirectorRole, config: director,
			net:  []string{"link set lo up", "cable enx001122334455 lan", "addr add 10.10.10.30/24 dev enx001122334455"},
			plan: []string{"add 10.10.10.22/32 dev enx001122334455"}},
		{name: "director, VLAN name", role: cluster.DirectorRole, config: director,
			net:  []string{"link set lo up", "cable eth0.100 lan", "addr add 10.10.10.30/24 dev eth0.100"},
			plan: []string{"add 10.10.10.22/32 dev eth0.100 label eth0.100:0"}},
		{name: "director, there already", role: cluster.DirectorRole, config: director,
			net: with(vipDirectorNet, "addr add 10.10.10.22/32 brd 10.255.255.255 dev eth0 label eth0:0")},
		{name: "director, other label", role: cluster.DirectorRole, config: director,
			net:  with(vipDirectorNet, "addr add 10.10.10.22/32 dev eth0"),
			plan: []string{"set 10.10.10.22: 10.10.10.22/32 dev eth0 -> 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, other mask", role: cluster.DirectorRole, config: director,
			net:  with(vipDirectorNet, "addr add 10.10.10.22/24 brd + dev eth0 label eth0:7"),
			plan: []string{"set 10.10.10.22: 10.10.10.22/24 dev eth0 label eth0:7 -> 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, other mask of its own subnet", role: cluster.DirectorRole, config: director,
			net:  with(vipDirectorNet, "addr add 10.10.10.22/16 brd + dev eth0 metric 77 noprefixroute"),
			plan: []string{"set 10.10.10.22: 10.10.10.22/16 dev eth0 -> 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, as a primary", role: cluster.DirectorRole, config: director, primary: true,
			net: []string{"link set lo up", "cable eth0 lan", "addr add 10.10.10.22/24 dev eth0",
				"addr add 10.10.10.30/24 dev eth0", "addr add 10.10.10.29/24 dev eth0", "route add default via 10.10.10.1"},
			plan: []string{"set net.ipv4.conf.eth0.promote_secondaries: 0 -> 1",
				"set 10.10.10.22: 10.10.10.22/24 dev eth0 -> 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, on lo too", role: cluster.DirectorRole, config: director,
			net:  with(vipDirectorNet, "addr add 10.10.10.22/32 dev eth0 label eth0:0", "addr add 10.10.10.22/32 dev lo label lo:0"),
			plan: []string{"set 10.10.10.22: 10.10.10.22/32 dev lo label lo:0, 10.10.10.22/32 dev eth0 label eth0:0 -> 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, point to point", role: cluster.DirectorRole, config: director,
			net:  with(vipDirectorNet, "addr add 10.10.10.22 peer 10.9.9.9/32 dev eth0 scope link"),
			plan: []string{"set 10.10.10.22: 10.10.10.22/32 dev eth0 -> 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, lo down", role: cluster.DirectorRole, config: director, net: vipDirectorNet[1:],
			plan: []string{"set link lo: down -> up", "add 10.10.10.22/32 dev eth0 label eth0:0"}},
		{name: "director, IPv6", role: cluster.DirectorRole, config: director6, net: vip6Net,
			plan: []string{"add fd00::22/128 dev eth0 preferred_lft 0"}},
		{name: "director, IPv6 not deprecated", role: cluster.DirectorRole, config: director6,
			net:  with(vip6Net, "addr add fd00::22/128 dev eth0 nodad"),
			plan: []string{"set fd00::22: fd00::22/128 dev eth0 -> fd00::22/128 dev eth0 preferred_lft 0"}},
		{name: "director, IPv6 other mask", role: cluster.DirectorRole, config: director6,
			net:  with(vip6Net, "addr add fd00::22/64 dev eth0 nodad metric 99"),
			plan: []string{"set fd00::22: fd00::22/64 dev eth0 -> fd00::22/128 dev eth0 preferred_lft 0"}},

		{name: "real server", role: cluster.RealServerRole, config: v4, net: vipRealServerNet,
			plan: []string{blackhole4, "add 10.10.10.22/32 dev lo label lo:0"}},
		{name: "real server, /24 on lo", role: cluster.RealServerRole, config: v4,
			net:  with(vipRealServerNet, "addr add 10.10.10.22/24 dev lo"),
			plan: []string{blackhole4, "set 10.10.10.22: 10.10.10.22/24 dev lo -> 10.10.10.22/32 dev lo label lo:0"}},
		{name: "real server, on eth0", role: cluster.RealServerRole, config: v4,
			net:  with(vipRealServerNet, "addr add 10.10.10.22/32 dev eth0 label eth0:0"),
			plan: []string{blackhole4, "set 10.10.10.22: 10.10.10.22/32 dev eth0 label eth0:0 -> 10.10.10.22/32 dev lo label lo:0"}},
		{name: "real server, on a dummy", role: cluster.RealServerRole, config: v4,
			net:  with(vipRealServerNet, "link add dummy0 type dummy", "link set dummy0 addrgenmode none", "link set dummy0 up", "addr add 10.10.10.22/32 dev dummy0"),
			plan: []string{blackhole4, "set 10.10.10.22: 10.10.10.22/32 dev dummy0 -> 10.10.10.22/32 dev lo label lo:0"}},
		{name: "real server, lo down", role: cluster.RealServerRole, config: v4, net: vipRealServerNet[1:],
			plan: []string{"set link lo: down -> up", blackhole4, "add 10.10.10.22/32 dev lo label lo:0"}},
		{name: "real server, foreign blackhole", role: cluster.RealServerRole, config: v4,
			net:  with(vipRealServerNet, "route add blackhole 10.10.10.22/32", "route add blackhole 10.10.10.99/32 proto 77 metric 1073741824"),
			plan: []string{blackhole4, "add 10.10.10.22/32 dev lo label lo:0"}},
		{name: "real server, IPv6", role: cluster.RealServerRole, config: v6, net: vip6Net,
			plan: []string{blackhole6, "add fd00::22/128 dev lo"}},
		{name: "real server, IPv6 on eth0", role: cluster.RealServerRole, config: v6,
			net:  with(vip6Net, "addr add fd00::22/128 dev eth0 nodad"),
			plan: []string{blackhole6, "set fd00::22: fd00::22/128 dev eth0 -> fd00::22/128 dev lo"}},
		{name: "real server, IPv6 /64 on lo, lo down", role: cluster.RealServerRole, config: v6, net: vip6Net[1:],
			plan: []string{"set link lo: down -> up", blackhole6, "add fd00::22/128 dev lo"}},
	}
}

func (l vipLaw) steps() lvsdr.Role {
	if l.role == cluster.DirectorRole {
		return lvsdr.Role{Name: l.role, Steps: []step.Step{step.LoopbackUp(l.role), step.DirectorVIPs(l.config)}}
	}
	return lvsdr.Role{Name: l.role, Steps: []step.Step{step.LoopbackUp(l.role), step.RealServerBlackholes(l.config), step.RealServerVIPs(l.config)}}
}

func vipStrings(changes []step.Change) []string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return lines
}

// comparable leaves out what giving back a primary address changes.
func (l vipLaw) comparable(state string) string {
	if !l.primary {
		return state
	}
	addresses, _, _ := strings.Cut(state, "default via")
	lines := strings.Split(strings.ReplaceAll(addresses, " secondary", ""), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestVIPLaws(t *testing.T) {
	ctx := context.Background()
	for _, law := range vipLaws() {
		t.Run(law.name, func(t *testing.T) {
			lab.OwnNetns(t, law.net...)
			files, free := vipFiles{}, vipBudget(-1)
			h := vipKernel(files, &free)
			plain := &host.Host{Files: files, Sysctl: vipSysctl{}}
			before := vipState(t, plain)
			plan, err := law.steps().Plan(ctx, h, step.Present)
			if err != nil {
				t.Fatal(err)
			}
			if got := vipStrings(plan); !slices.Equal(got, law.plan) {
				t.Errorf("plan\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(law.plan, "\n"))
			}
			if now := vipState(t, plain); now != before {
				t.Errorf("the plan changed the host:\n%s\nbefore:\n%s", now, before)
			}
			made, err := law.steps().Up(ctx, h)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(vipStrings(made), law.plan) {
				t.Errorf("set-up made %v, planned %v", vipStrings(made), law.plan)
			}
			if again, err := law.steps().Up(ctx, h); err != nil || len(again) > 0 {
				t.Errorf("second set-up: %v, %v", vipStrings(again), err)
			}
			if _, err := law.steps().Down(ctx, h); err != nil {
				t.Fatal(err)
			}
			if now := vipState(t, plain); law.comparable(now) != law.comparable(before) {
				t.Errorf("after teardown:\n%s\nbefore:\n%s", now, before)
			}
			if again, err := law.steps().Down(ctx, h); err != nil || len(again) > 0 {
				t.Errorf("second teardown: %v, %v", vipStrings(again), err)
			}
		})
	}
}

// Broken off after every edit, set-up converges and teardown restores; and so
// does a teardown that is broken off.
func TestVIPBrokenOff(t *testing.T) {
	if os.Getenv("LVSDR_TEST_GUEST") != "" {
		t.Skip("takes too long in a guest: it runs on the running kernel")
	}
	ctx := context.Background()
	scenes := map[string]func(t *testing.T, r lvsdr.Role, broken, free *host.Host) error{
		"set-up, set-up": func(t *testing.T, r lvsdr.Role, broken, free *host.Host) error {
			_, err := r.Up(ctx, broken)
			if made, err := r.Up(ctx, free); err != nil {
				t.Errorf("again: %v after %v", err, vipStrings(made))
			}
			return err
		},
		"set-up, teardown": func(_ *testing.T, r lvsdr.Role, broken, _ *host.Host) error {
			_, err := r.Up(ctx, broken)
			return err
		},
		"teardown, teardown": func(t *testing.T, r lvsdr.Role, broken, free *host.Host) error {
			if _, err := r.Up(ctx, free); err != nil {
				t.Error(err)
			}
			_, err := r.Down(ctx, broken)
			return err
		},
		"teardown, set-up": func(t *testing.T, r lvsdr.Role, broken, free *host.Host) error {
			_, err := r.Up(ctx, free)
			_, broke := r.Down(ctx, broken)
			_, again := r.Up(ctx, free)
			if err := errors.Join(err, again); err != nil {
				t.Error(err)
			}
			return broke
		},
	}
	for _, law := range vipLaws() {
		for name, scene := range scenes {
			for n, err := 0, errVIPKilled; err != nil && n < 30 && !t.Failed(); n++ {
				t.Run(fmt.Sprintf("%s, %s, after %d", law.name, name, n), func(t *testing.T) {
					err = nil // of a test that is skipped
					lab.OwnNetns(t, law.net...)
					files, free, budget := vipFiles{}, vipBudget(-1), vipBudget(n)
					plain := &host.Host{Files: files, Sysctl: vipSysctl{}}
					before := vipState(t, plain)
					err = scene(t, law.steps(), vipKernel(files, &budget), vipKernel(files, &free))
					if err != nil && !errors.Is(err, errVIPKilled) {
						t.Fatal(err)
					}
					if _, err := law.steps().Down(ctx, vipKernel(files, &free)); err != nil {
						t.Fatal(err)
					}
					if now := vipState(t, plain); law.comparable(now) != law.comparable(before) {
						t.Errorf("after teardown:\n%s\nbefore:\n%s", now, before)
					}
				})
			}
		}
	}
}
