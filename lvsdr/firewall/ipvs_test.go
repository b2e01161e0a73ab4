//go:build linux

package firewall_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A director and a real server that let nothing in or out but what they must, and
// drop what connection tracking calls invalid, as firewalld and ufw do: requests
// go through once the ports are open, and their connections end (faults.md F1 to
// F3 and F6).
func TestPortsOfAClusterWithIptables(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.IPTables)
	l, err := lab.NewWith(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	run := func(h *lab.Host, line string) string {
		t.Helper()
		out, err := h.Run(context.Background(), "sh", "-ec", line)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	rs := l.RealServers[0]
	if _, err := rs.ServeHTTP(":80"); err != nil {
		t.Fatal(err)
	}
	run(rs, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2; ip addr add 10.10.10.22/32 dev lo")
	run(l.Director, "modprobe -a ip_vs ip_vs_rr; ipvsadm -A -t 10.10.10.22:80 -s rr; ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g; ip addr add 10.10.10.22/32 dev eth0")
	const closed = `
iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables-legacy -A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP; iptables-legacy -A OUTPUT -m conntrack --ctstate INVALID -j DROP
iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-legacy -P INPUT DROP; iptables-legacy -P OUTPUT DROP`
	run(l.Director, closed)
	run(rs, closed)
	before := run(l.Director, "iptables-legacy -S; ip6tables-legacy -S") + run(rs, "iptables-legacy -S")
	get := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := l.Client.Get(ctx, "http://10.10.10.22/")
		return err
	}
	if get(time.Second) == nil {
		t.Fatal("the closed firewalls let a request through")
	}

	c := cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("10.10.10.22"), Ports: []cluster.Port{{Number: 80, Protocol: cluster.TCP}}}}}
	apply := func(h *lab.Host, s step.Step, want step.State) {
		t.Helper()
		err := h.Do(func() error {
			changes, err := s.Plan(context.Background(), lvsdr.Local(), want)
			for _, change := range changes {
				t.Log(h.Name, change)
				if err == nil {
					err = change.Do(context.Background())
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	apply(rs, step.RealServerPorts(c), step.Present)
	apply(l.Director, step.DirectorPorts(c), step.Present)
	if err := get(30 * time.Second); err != nil {
		t.Errorf("%v\n%s", err, run(l.Director, "iptables-legacy -nvL; ipvsadm -Lnc"))
	}
	// The SYN that was dropped before has no part in this, the request that came
	// through has: its FIN reached IPVS.
	deadline := time.Now().Add(30 * time.Second)
	for strings.Contains(run(l.Director, "ipvsadm -Lnc"), "ESTABLISHED") {
		if time.Now().After(deadline) {
			t.Errorf("the connection does not end:\n%s", run(l.Director, "ipvsadm -Lnc"))
			break
		}
	}
	apply(l.Director, step.DirectorPorts(c), step.Absent)
	apply(rs, step.RealServerPorts(c), step.Absent)
	if after := run(l.Director, "iptables-legacy -S; ip6tables-legacy -S") + run(rs, "iptables-legacy -S"); after != before {
		t.Errorf("teardown left\n%s\nfrom\n%s", after, before)
	}
}
