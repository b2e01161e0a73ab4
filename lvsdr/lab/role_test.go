//go:build linux

package lab_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// describe is the documentation's cluster with the VIP of either family.
func describe(vip string, weights ...int) cluster.Config {
	s := cluster.Service{VIP: netip.MustParseAddr(vip)}
	for i := range weights {
		rip := fmt.Sprintf("10.10.10.%d", 31+i)
		if s.VIP.Is6() {
			rip = fmt.Sprintf("fd00:10::%d", 31+i)
		}
		s.RealServers = append(s.RealServers, cluster.RealServer{Address: netip.MustParseAddr(rip), Weight: &weights[i]})
	}
	return cluster.Config{Services: []cluster.Service{s}}
}

// The five laws on the kernel, with the state as the kernel's own words tell it.
func TestLawsOnTheKernel(t *testing.T) {
	lab.Need(t, lab.Netns)
	every, guest := 1, lab.Guest.Missing() == nil
	if guest {
		every = 8 // an edit and a look at everything take a second there
	}
	for _, tt := range []struct {
		name    string
		role    func() (lvsdr.Role, error)
		prepare string
		ipvs    bool
	}{
		{"real server IPv4", func() (lvsdr.Role, error) { return lvsdr.RealServer(describe("10.10.10.22")) }, "", false},
		{"real server IPv6", func() (lvsdr.Role, error) { return lvsdr.RealServer(describe("fd00:10::22")) }, "", false},
		{"real server with pitfall 5", func() (lvsdr.Role, error) { return lvsdr.RealServer(describe("10.10.10.22")) },
			"ip addr add 10.10.10.22/24 dev lo; sysctl -qw net.ipv4.conf.all.arp_announce=1", false},
		{"director IPv4", func() (lvsdr.Role, error) { return lvsdr.Director(describe("10.10.10.22", 1, 3)) }, "", true},
		{"director IPv6", func() (lvsdr.Role, error) { return lvsdr.Director(describe("fd00:10::22", 1, 3)) }, "", true},
		{"director in use", func() (lvsdr.Role, error) {
			c := describe("10.10.10.22", 1, 3)
			c.Timeouts.TCP = seconds(30)
			return lvsdr.Director(c)
		}, `ip addr add 10.10.10.22/24 dev eth0 label eth0:9; modprobe ip_vs_rr
			ipvsadm -A -t 10.10.10.22:80 -s rr -p 60; ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.40 -g -w 7
			ipvsadm -A -u 10.10.10.22:53 -s rr; ipvsadm --set 800 100 200`, true},
	} {
		if guest && !tt.ipvs {
			continue // the running kernel has shown it, after every edit
		}
		t.Run(tt.name, func(t *testing.T) {
			if tt.ipvs {
				lab.Need(t, lab.IPVS, lab.Ipvsadm)
			}
			b := newBox(t, tt.prepare) // one for all: a lab takes longer than a set-up
			lvsdrtest.Case{Role: tt.role, World: func(testing.TB) lvsdrtest.Box { return b }, Every: every}.Check(t)
		})
	}
}

// A box is a host of a lab of its own.
type box struct {
	tb   testing.TB
	host *lab.Host
	lvs  *host.Host
}

func newBox(tb testing.TB, prepare string) lvsdrtest.Box {
	tb.Helper()
	l, err := lab.NewWith(context.Background(), 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	if prepare != "" {
		if out, err := l.Director.Run(context.Background(), "sh", "-c", "set -e; "+prepare); err != nil {
			tb.Fatalf("%v: %s", err, out)
		}
	}
	lvs := l.Director.LVS()
	return box{tb, l.Director, lvs}
}

func (b box) Host() *host.Host { return b.lvs }

func (b box) Dump() string {
	s, err := b.host.Snapshot(context.Background())
	if err != nil {
		b.tb.Fatal(err)
	}
	return string(s)
}

// setUp brings a lab to the configuration, the real servers first.
func setUp(t *testing.T, l *lab.Lab, c cluster.Config) {
	t.Helper()
	rs, err := lvsdr.RealServer(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range l.RealServers {
		up(t, h, rs)
	}
	director, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	up(t, l.Director, director)
}

func up(t *testing.T, h *lab.Host, r lvsdr.Role) {
	t.Helper()
	lvs := h.LVS()
	if _, err := r.Apply(context.Background(), lvs, step.Present); err != nil {
		t.Fatalf("%s: %v", h.Name, err)
	}
}

// Requests through the VIP reach the real servers by weight, and the kernel shows
// the documentation's values.
func TestClusterServes(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm)
	for _, vip := range []string{"10.10.10.22", "fd00:10::22"} {
		t.Run(vip, func(t *testing.T) {
			l := newLab(t)
			serve(t, l.RealServers...)
			setUp(t, l, describe(vip, 1, 3))
			if got, want := answers(t, l, vip, 8), map[string]int{"dev-2": 2, "dev-3": 6}; !maps.Equal(got, want) {
				t.Errorf("eight requests went %v, want %v", got, want)
			}
		})
	}
}

// answers counts who answered n requests of the client.
func answers(t *testing.T, l *lab.Lab, vip string, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		who, err := l.Client.Get(context.Background(), "http://"+netip.AddrPortFrom(netip.MustParseAddr(vip), 80).String()+"/")
		if err != nil {
			t.Fatal(err)
		}
		got[who]++
	}
	return got
}

// The kernel's own words for what the documentation's commands make.
func TestMissionsValues(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm)
	l := newLab(t)
	c := describe("10.10.10.22", 1, 1)
	c.Services[0].Persistence = seconds(20)
	c.Timeouts = cluster.Timeouts{TCP: seconds(30), TCPFin: seconds(5), UDP: seconds(60)}
	setUp(t, l, c)
	for _, tt := range []struct {
		host          *lab.Host
		command, want string
	}{
		{l.Director, "ipvsadm -S -n", "-A -t 10.10.10.22:80 -s wrr -p 20\n-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1\n-a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1\n"},
		{l.Director, "ipvsadm -L --timeout", "Timeout (tcp tcpfin udp): 30 5 60\n"},
		{l.Director, "ip -o -4 addr show dev eth0", "inet 10.10.10.30/24 brd 10.10.10.255 scope global eth0"},
		{l.Director, "ip -o -4 addr show dev eth0", "inet 10.10.10.22/32 scope global eth0:0"},
		{l.RealServers[0], "ip -o -4 addr show dev lo", "inet 10.10.10.22/32 scope host lo:0"},
		{l.RealServers[1], "sysctl net.ipv4.ip_forward net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce net.ipv4.conf.lo.arp_ignore net.ipv4.conf.lo.arp_announce",
			"net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.arp_ignore = 1\nnet.ipv4.conf.all.arp_announce = 2\nnet.ipv4.conf.lo.arp_ignore = 1\nnet.ipv4.conf.lo.arp_announce = 2\n"},
	} {
		out, err := tt.host.Run(context.Background(), "sh", "-c", tt.command)
		if err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s on %s: %v\n%s\nwant\n%s", tt.command, tt.host.Name, err, out, tt.want)
		}
	}
}

func seconds(n int) cluster.Duration { return cluster.Duration(time.Duration(n) * time.Second) }

// Hosts whose firewall admits SSH only serve the VIP after set-up, and have their
// own rules back after teardown. In nftables where the kernel has it for IP, else in
// the legacy iptables.
func TestClusterServesThroughFirewalls(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS)
	rules, show := `iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP
		iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-legacy -P INPUT DROP`, "iptables-legacy -S INPUT"
	mark := "-A INPUT -d 10.10.10.22/32 -p tcp -m tcp --dport 80 -m comment --comment lvsdr -j ACCEPT"
	if lab.NFT.Missing() == nil {
		rules = `nft add table inet filter
			nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
			nft add rule inet filter input ct state invalid drop; nft add rule inet filter input tcp dport 22 accept`
		show, mark = "nft -s list ruleset", `10.10.10.22 . tcp . 80 } accept comment "lvsdr"`
	} else {
		lab.Need(t, lab.IPTables)
	}
	l := newLab(t)
	serve(t, l.RealServers...)
	c := describe("10.10.10.22", 1, 3)
	servers := append([]*lab.Host{l.Director}, l.RealServers...)
	before := map[*lab.Host]string{}
	for _, h := range servers {
		sh(t, h, rules)
		before[h] = sh(t, h, show)
	}
	setUp(t, l, c)
	if got, want := answers(t, l, "10.10.10.22", 8), map[string]int{"dev-2": 2, "dev-3": 6}; !maps.Equal(got, want) {
		t.Errorf("eight requests went %v, want %v", got, want)
	}
	for _, h := range servers {
		if now := sh(t, h, show); !strings.Contains(now, mark) {
			t.Errorf("%s on %s:\n%s\nwithout %s", show, h.Name, now, mark)
		}
		tearDown(t, h, c, h == l.Director)
		if now := sh(t, h, show); now != before[h] {
			t.Errorf("%s on %s after teardown:\n%s\nbefore:\n%s", show, h.Name, now, before[h])
		}
	}
}

func tearDown(t *testing.T, h *lab.Host, c cluster.Config, director bool) {
	t.Helper()
	role, err := lvsdr.RealServer(c)
	if director {
		role, err = lvsdr.Director(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	lvs := h.LVS()
	if _, err := role.Down(context.Background(), lvs); err != nil {
		t.Fatalf("%s: %v", h.Name, err)
	}
}
