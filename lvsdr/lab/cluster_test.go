//go:build linux

package lab_test

import (
	"context"
	"maps"
	"net/netip"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A cluster made by hand with the system's own tools, as the documentation's
// method one does: the proof that what the lab shows of LVS is the kernel's.
func TestClusterByHand(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm)
	for _, tt := range []struct {
		name, service, server string
		vip                   netip.Addr
		rips                  [2]string
	}{
		{"IPv4", "-t 10.10.10.22:80", "10.10.10.22/32", lab.VIP, [2]string{"10.10.10.31", "10.10.10.32"}},
		{"IPv6", "-t [fd00:10::22]:80", "fd00:10::22/128", lab.VIP6, [2]string{"[fd00:10::31]", "[fd00:10::32]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			serve(t, l.RealServers...)
			for _, rs := range l.RealServers {
				sh(t, rs, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2; ip addr add "+tt.server+" dev lo")
			}
			// The scheduler is loaded first: adding a service that loads it while a
			// network namespace is taken down locks the kernel up for good (Linux 6.1).
			sh(t, l.Director, "modprobe -a ip_vs ip_vs_wrr")
			sh(t, l.Director, "ipvsadm -A "+tt.service+" -s wrr && "+
				"ipvsadm -a "+tt.service+" -r "+tt.rips[0]+":80 -g -w 1 && "+
				"ipvsadm -a "+tt.service+" -r "+tt.rips[1]+":80 -g -w 3")
			nodad := ""
			if tt.vip.Is6() {
				nodad = " nodad"
			}
			sh(t, l.Director, "ip addr add "+tt.server+" dev eth0"+nodad)

			got := map[string]int{}
			for range 8 {
				who, err := l.Client.Get(context.Background(), "http://"+netip.AddrPortFrom(tt.vip, 80).String()+"/")
				if err != nil {
					t.Fatal(err)
				}
				got[who]++
			}
			if want := map[string]int{"dev-2": 2, "dev-3": 6}; !maps.Equal(got, want) {
				t.Errorf("eight requests went %v, want %v", got, want)
			}
			if n := arpEntries(t, l.Client, tt.vip); n != l.Director.MAC.String() {
				t.Errorf("the client sends the VIP's packets to %s, the director is %s", n, l.Director.MAC)
			}
		})
	}
}

// arpEntries returns the MAC address that the host has learnt for an address.
func arpEntries(t *testing.T, h *lab.Host, addr netip.Addr) string {
	t.Helper()
	out, err := h.Run(context.Background(), "sh", "-c", "ip neigh show "+addr.String()+" | sed 's/.*lladdr \\([^ ]*\\).*/\\1/' | tr -d '\\n'")
	if err != nil {
		t.Fatal(err)
	}
	return out
}
