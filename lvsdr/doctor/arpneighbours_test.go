package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// Before set-up, all interfaces and addresses that it silences are named, and none
// where nobody is concerned.
func TestARPNeighbours(t *testing.T) {
	const veths = "ip link add v1 address 02:00:00:00:01:01 type veth\nip link set v1 up\nip link add v2 address 02:00:00:00:01:02 type veth\nip link set v2 up\n"
	const gateways = "ip addr add 10.0.3.1/32 dev lo\nip addr add 10.0.4.1/32 dev lo\n"
	routes := "mkdir -p /proc/thread-self/net\n" + write("/proc/thread-self/net/route", "Iface\tDestination\nv1\t0503000A\nv2\t0504000A") + "\n"
	behind := func(link, addresses string) string {
		return "warning arp-neighbours: " + link + " has no IPv4 address of its own, and routes lead there: set-up has it answer ARP for none of this host's addresses any more (" + addresses + ")"
	}
	const all = "10.0.3.1 on lo, 10.0.4.1 on lo, 10.10.10.31 on eth0"
	const eth0 = "warning arp-neighbours: set-up has eth0 answer ARP no more for "
	for _, test := range []struct {
		name, commands string
		want           []string
	}{
		{"nothing", "", nil},
		{"veths without a route", veths + gateways, nil},
		{"gateways of two containers", veths + gateways + routes, []string{behind("v1", all), behind("v2", all)}},
		{"a gateway that one of them has itself", veths + gateways + routes + "ip addr add 10.0.4.1/32 dev v2", []string{behind("v1", all)}},
		{"proxy ARP", veths + routes + "sysctl -w net.ipv4.conf.v1.proxy_arp=1\nsysctl -w net.ipv4.conf.v2.proxy_arp=1", nil},
		{"silent already", veths + gateways + routes + "sysctl -w net.ipv4.conf.all.arp_ignore=1", nil},
		{"two of the LAN on lo", "ip addr add 10.10.10.50/32 dev lo\nip addr add 10.10.10.51/32 dev lo",
			[]string{eth0 + "10.10.10.50 on lo, 10.10.10.51 on lo, in its subnet but on another interface"}},
		{"on eth0 too", "ip addr add 10.10.10.50/32 dev lo\nip addr add 10.10.10.50/32 dev eth0", nil},
		{"the VIP", "ip addr add 10.10.10.22/32 dev lo", nil},
		{"a second leg on the LAN", "ip link add eth1 address 02:00:00:00:01:41 type veth\nip link set eth1 up\nip addr add 10.10.10.41/24 dev eth1", nil},
	} {
		w := lvsdrtest.RealServer()
		if err := w.Run(test.commands); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range wireRole(t, cluster.RealServerRole, "").Exam(w.Host()).Foresee(t.Context()) {
			got = append(got, string(f.Severity)+" "+f.Check+": "+f.What)
			if f.Fix != "" {
				if err := w.Run(strings.ReplaceAll(f.Fix, " && ", "\n")); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", test.name, got, test.want)
		}
		if strings.HasPrefix(strings.Join(got, ""), eth0) && len(wireRole(t, cluster.RealServerRole, "").Exam(w.Host()).Foresee(t.Context())) > 0 {
			t.Errorf("%s: the fix does not mend it", test.name)
		}
	}
}
