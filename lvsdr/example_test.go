package lvsdr_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// The cluster of the examples: two real servers behind one VIP.
var webCluster = cluster.Config{
	Services: []cluster.Service{{
		VIP:         netip.MustParseAddr("10.10.10.22"),
		Ports:       []cluster.Port{{Number: 80, Protocol: cluster.TCP}},
		Scheduler:   "wrr",
		Persistence: cluster.Duration(20 * time.Second),
		RealServers: []cluster.RealServer{
			{Address: netip.MustParseAddr("10.10.10.31")},
			{Address: netip.MustParseAddr("10.10.10.32")},
		},
	}},
	Timeouts: cluster.Timeouts{
		TCP: cluster.Duration(30 * time.Second), TCPFin: cluster.Duration(5 * time.Second), UDP: cluster.Duration(60 * time.Second),
	},
}

// What set-up would change on a director is printed, and nothing is touched.
// On a machine of your own the host is lvsdr.Local().
func ExampleRole_Plan_director() {
	host := lvsdrtest.Director().Host()
	role, err := lvsdr.Director(webCluster)
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := role.Plan(context.Background(), host, step.Present)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range changes {
		fmt.Println(c)
	}
	// Output:
	// add module ip_vs
	// add module ip_vs_wrr
	// add /etc/modules-load.d/lvsdr.conf
	// add /etc/sysctl.d/zz-lvsdr-director.conf
	// set net.ipv4.conf.all.arp_announce: 0 -> 2
	// set net.ipv4.vs.expire_nodest_conn: 1
	// set net.ipv4.vs.expire_quiescent_template: 1
	// set net.ipv4.vs.conn_reuse_mode: 2
	// set ipvs timeout tcp: 30s
	// set ipvs timeout tcpFin: 5s
	// set ipvs timeout udp: 1m0s
	// add tcp 10.10.10.22:80: wrr persistent 20
	// add tcp 10.10.10.22:80 -> 10.10.10.31:80: route weight 1
	// add tcp 10.10.10.22:80 -> 10.10.10.32:80: route weight 1
	// add fragmentation-needed 10.10.10.22 in nftables inet filter input: accept
	// add tcp 10.10.10.22:80 in nftables inet filter input: accept
	// add fragmentation-needed 10.10.10.22 in nftables inet lvsdr prerouting: notrack
	// add tcp 10.10.10.22:80 in nftables inet lvsdr prerouting: notrack
	// add 10.10.10.22/32 dev eth0 label eth0:0
}

func ExampleRole_Plan_realServer() {
	host := lvsdrtest.RealServer().Host()
	role, err := lvsdr.RealServer(webCluster)
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := role.Plan(context.Background(), host, step.Present)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range changes {
		fmt.Println(c)
	}
	// Output:
	// add /etc/sysctl.d/zz-lvsdr-realserver.conf
	// set net.ipv4.ip_forward: 0 -> 1
	// set net.ipv4.conf.all.arp_ignore: 0 -> 1
	// set net.ipv4.conf.all.arp_announce: 0 -> 2
	// set net.ipv4.conf.lo.arp_ignore: 0 -> 1
	// set net.ipv4.conf.lo.arp_announce: 0 -> 2
	// add fragmentation-needed 10.10.10.22 in nftables inet filter input: accept
	// add tcp 10.10.10.22:80 in nftables inet filter input: accept
	// add blackhole 10.10.10.22/32
	// add 10.10.10.22/32 dev lo label lo:0
}

// The second time there is nothing to do, and teardown gives everything back.
func ExampleRole_Up() {
	ctx := context.Background()
	world := lvsdrtest.RealServer()
	before := world.Dump()
	role, err := lvsdr.RealServer(webCluster)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		changes, err := role.Up(ctx, world.Host())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(changes), "changes")
	}
	if _, err := role.Down(ctx, world.Host()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("as before:", world.Dump() == before)
	// Output:
	// 10 changes
	// 0 changes
	// as before: true
}

// banner is a step of an importer's own: a file that says what the host is.
type banner struct{ text string }

func (banner) Name() string { return "banner" }

func (b banner) Plan(_ context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	const name = "/etc/banner"
	have, err := h.Files.ReadFile(name)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	switch {
	case want == step.Present && string(have) != b.text:
		return []step.Change{{Step: b.Name(), Op: step.Set, Object: name, Do: func(context.Context) error {
			return h.Files.WriteFile(name, []byte(b.text), 0o644)
		}}}, nil
	case want == step.Absent && !missing:
		return []step.Change{{Step: b.Name(), Op: step.Remove, Object: name, Do: func(context.Context) error {
			return h.Files.Remove(name)
		}}}, nil
	}
	return nil, nil
}

// A role is a list of steps: append one's own.
func ExampleRole_steps() {
	role, err := lvsdr.RealServer(webCluster)
	if err != nil {
		fmt.Println(err)
		return
	}
	role.Steps = append(role.Steps, banner{"a real server\n"})

	world := lvsdrtest.RealServer()
	changes, err := role.Up(context.Background(), world.Host())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(changes[len(changes)-1])
	// Output:
	// set /etc/banner
}

// A step can be used alone, as part of somebody else's provisioning.
func ExampleRealServerSysctls() {
	ctx := context.Background()
	world := lvsdrtest.RealServer()
	silence := lvsdr.Role{Name: cluster.RealServerRole, Steps: []step.Step{step.RealServerSysctls(webCluster)}}
	if _, err := silence.Up(ctx, world.Host()); err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"arp_ignore", "arp_announce"} {
		value, err := world.Host().Sysctl.Get("net/ipv4/conf/all/" + key)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(key, value)
	}
	// Output:
	// arp_ignore 1
	// arp_announce 2
}

// A mistake in the configuration is told with its place and what is allowed.
func ExampleParseConfig() {
	_, err := cluster.ParseConfig("lvsdr.yaml", []byte(strings.TrimSpace(`
services:
  - vip: 10.10.10.22
    realServers:
      - {address: 10.10.10.31, weight: 1}
      - {address: 10.10.10.32, weight: 70000}
`)))
	fmt.Println(err)
	var wrong *cluster.ConfigError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Line, wrong.Column, wrong.Path, wrong.Text)
	}
	// Output:
	// lvsdr.yaml:5:40: services[0].realServers[1].weight: "70000": a weight is 0 to 65535 (0 takes no new connections)
	// 5 40 services[0].realServers[1].weight 70000
}

// A configuration that does not fit the role never reaches the host.
func ExampleDirector_configError() {
	wrong := webCluster
	wrong.Services = []cluster.Service{{
		VIP: netip.MustParseAddr("10.10.10.22"), Scheduler: "fastest", RealServers: webCluster.Services[0].RealServers,
	}}
	_, err := lvsdr.Director(wrong)
	fmt.Println(err)
	// Output:
	// services[0].scheduler: "fastest": a scheduler of the kernel is wanted: rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf or twos
}
