package step_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func vipAddress(text, link string) host.Address {
	return host.Address{Prefix: netip.MustParsePrefix(text), Link: link, Label: link}
}

func vipConfig(iface string, rips ...string) cluster.Config {
	s := cluster.Service{VIP: netip.MustParseAddr("10.10.10.22")}
	for _, rip := range rips {
		s.RealServers = append(s.RealServers, cluster.RealServer{Address: netip.MustParseAddr(rip)})
	}
	return cluster.Config{Interface: iface, Services: []cluster.Service{s}}
}

func withVIP(vip string, c cluster.Config) cluster.Config {
	c.Services[0].VIP = netip.MustParseAddr(vip)
	return c
}

func onInterface(name string, c cluster.Config) cluster.Config {
	c.Services[0].Interface = name
	return c
}

// A host: eth0 10.10.10.30/24, eth1 10.20.0.30/24, eth2 without an address, eth3
// down, tun0 NOARP, default route by 10.10.10.1.
func vipHost(addresses ...host.Address) *host.Host {
	links := []host.Link{
		{Name: "lo", Index: 1, Up: true, Loopback: true}, {Name: "eth0", Index: 2, Up: true},
		{Name: "eth1", Index: 3, Up: true}, {Name: "eth2", Index: 4, Up: true},
		{Name: "eth3", Index: 5}, {Name: "tun0", Index: 6, Up: true, NoARP: true},
	}
	if addresses == nil {
		addresses = []host.Address{vipAddress("10.10.10.30/24", "eth0"), vipAddress("10.20.0.30/24", "eth1")}
	}
	route := func(to, link, src, via string) (r struct {
		to    netip.Prefix
		route host.Route
	}) {
		r.to, r.route.Link, r.route.Source = netip.MustParsePrefix(to), link, netip.MustParseAddr(src)
		if via != "" {
			r.route.Gateway = netip.MustParseAddr(via)
		}
		return r
	}
	return &host.Host{
		Files:  vipFiles{},
		Sysctl: vipSysctl{},
		Links:  &vipFakeLinks{links, addresses},
		Routes: vipFakeRoutes{
			route("10.10.10.0/24", "eth0", addresses[0].Prefix.Addr().String(), ""),
			route("10.20.0.0/24", "eth1", "10.20.0.30", ""),
			route("10.30.0.0/24", "eth0", "10.10.10.30", ""), // on the link, of no subnet
			route("10.40.0.0/16", "eth0", "10.10.10.30", "10.10.10.1"),
		},
	}
}

func TestDirectorVIPsInterface(t *testing.T) {
	tests := []struct {
		name   string
		config cluster.Config
		host   *host.Host
		want   string // the plan's only change, or words of the error
	}{
		{"by route", vipConfig("", "10.10.10.31"), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"by name", vipConfig("eth0", "10.10.10.31"), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"no real servers", vipConfig("eth2"), vipHost(), "add 10.10.10.22/32 dev eth2 label eth2:0"},
		{"on the link by a route only", vipConfig("", "10.30.0.5"), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"two legs, by name", vipConfig("eth0", "10.20.0.31"), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"two legs, real servers on both", vipConfig("", "10.20.0.31", "10.10.10.31"), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"two legs, the VIP in the clients' subnet", vipConfig("", "10.20.0.31"), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"two legs, the VIP in no subnet", withVIP("192.0.2.22", vipConfig("", "10.10.10.31", "10.20.0.31")), vipHost(),
			"10.20.0.31 is reached by interface eth1, 10.10.10.31 by eth0"},
		{"two legs on one LAN, by route", vipConfig("", "10.10.10.31"), vipHost(vipAddress("10.10.10.30/24", "eth0"), vipAddress("10.10.10.29/24", "eth1")),
			"add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"a service's own interface", onInterface("eth1", vipConfig("eth0", "10.10.10.31")), vipHost(), "add 10.10.10.22/32 dev eth1 label eth1:0"},
		{"the VIP's LAN is down", withVIP("10.50.0.22", vipConfig("", "10.10.10.31")), vipHost(vipAddress("10.10.10.30/24", "eth0"),
			vipAddress("10.50.0.30/24", "eth3")), "ip link set dev eth3 up"},
		{"broadcast address", withVIP("10.10.10.255", vipConfig("", "10.10.10.31")), vipHost(),
			"the VIP 10.10.10.255 is the broadcast address of 10.10.10.0/24, the subnet of 10.10.10.30 on eth0"},
		{"network address", withVIP("10.20.0.0", vipConfig("", "10.10.10.31")), vipHost(), "the VIP 10.20.0.0 is the network address of 10.20.0.0/24"},
		{"the DIP", withVIP("10.10.10.30", vipConfig("", "10.10.10.31")), vipHost(),
			"10.10.10.30/24 is this host's only address on eth0 towards real server 10.10.10.31, and a VIP cannot be it"},
		{"by its subnet", vipConfig(""), vipHost(), "add 10.10.10.22/32 dev eth0 label eth0:0"},
		{"nothing to go by", withVIP("192.0.2.22", vipConfig("")), vipHost(), "name the LAN interface"},
		{"no such interface", vipConfig("eth9", "10.10.10.31"), vipHost(), "interface: there is no interface eth9: this host has eth0, eth1, eth2, eth3, tun0"},
		{"no such interface of a service", onInterface("eth9", vipConfig("eth0", "10.10.10.31")), vipHost(), "services[0].interface: there is no interface eth9"},
		{"loopback", vipConfig("lo", "10.10.10.31"), vipHost(), "loopback"},
		{"no ARP", vipConfig("tun0", "10.10.10.31"), vipHost(), "ip link set dev tun0 arp on"},
		{"down", vipConfig("eth3", "10.10.10.31"), vipHost(), "ip link set dev eth3 up"},
		{"gateway", vipConfig("", "10.40.0.31"), vipHost(), "behind the gateway 10.10.10.1"},
		{"gateway of the second", vipConfig("", "10.10.10.31", "10.40.0.31"), vipHost(), "behind the gateway 10.10.10.1"},
		{"no route", vipConfig("", "192.0.2.1"), vipHost(), "give this host an address in the real server's subnet"},
		{"own address", vipConfig("", "10.10.10.31", "10.10.10.30"), vipHost(), "10.10.10.30 is this host"},
		{"only the VIP", vipConfig("", "10.10.10.31"), vipHost(vipAddress("10.10.10.22/24", "eth0")), "ip address add ADDRESS/24 dev eth0"},
		{"only address of another interface", vipConfig("eth0", "10.10.10.31"),
			vipHost(vipAddress("10.10.10.30/24", "eth0"), vipAddress("10.10.10.22/24", "eth1")), "10.10.10.22/24 is the only address of eth1"},
		{"on a dummy", vipConfig("eth0", "10.10.10.31"),
			vipHost(vipAddress("10.10.10.30/24", "eth0"), vipAddress("10.10.10.22/32", "tun0")), "set 10.10.10.22: 10.10.10.22/32 dev tun0 -> 10.10.10.22/32 dev eth0 label eth0:0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changes, err := step.DirectorVIPs(test.config).Plan(context.Background(), test.host, step.Present)
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %q, want %q in it", err, test.want)
				}
				return
			}
			if len(changes) != 1 || changes[0].String() != test.want {
				t.Errorf("plan %v, want %q", changes, test.want)
			}
		})
	}
}

func TestVIPLabel(t *testing.T) {
	for link, want := range map[string]string{
		"eth0": "eth0:0", "lo": "lo:0", "eth0.100": "eth0.100:0",
		"enp0s31f6.100":   "enp0s31f6.100:0", // 15
		"enx0011223344":   "enx0011223344:0",
		"enx00112233445":  "enx00112233445",
		"enx001122334455": "enx001122334455",
	} {
		if got := step.VIPLabel(link); got != want {
			t.Errorf("%s: %s, want %s", link, got, want)
		}
	}
}

// The ledger decides what is ours; only when it is lost does the mark.
func TestVIPOwnership(t *testing.T) {
	right := host.Address{Prefix: netip.MustParsePrefix("10.10.10.22/32"), Link: "lo", Label: "lo:0"}
	const ledger, dropIn = "/run/lvsdr/realserver", "/etc/sysctl.d/zz-lvsdr-realserver.conf"
	tests := []struct {
		name  string
		files vipFiles
		have  host.Address
		gone  bool
	}{
		{"never set up", vipFiles{}, right, false},
		{"set up, was there before", vipFiles{ledger: "role\t\nsysctl x\t0\n", dropIn: ""}, right, false},
		{"ledger cut off", vipFiles{ledger: "sysctls x\t0\n", dropIn: ""}, right, true},
		{"set up", vipFiles{ledger: "vip 10.10.10.22\t\n", dropIn: ""}, right, true},
		{"set up, not in the configuration any more", vipFiles{ledger: "vip 10.10.10.22\t\n"}, right, true},
		{"ledger lost", vipFiles{dropIn: ""}, right, true},
		{"ledger lost, not our mark", vipFiles{dropIn: ""}, vipAddress("10.10.10.22/32", "lo"), false},
		{"ledger of a set-up killed in between", vipFiles{ledger: "vip 10.10.10.22\t\n"}, vipAddress("10.10.10.22/24", "eth1"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := vipHost(vipAddress("10.10.10.31/24", "eth0"), test.have)
			h.Files = test.files
			role := lvsdr.Role{Name: cluster.RealServerRole, Steps: []step.Step{step.RealServerVIPs(vipConfig(""))}}
			if _, err := role.Down(context.Background(), h); err != nil {
				t.Fatal(err)
			}
			all, _ := h.Links.Addresses(context.Background())
			if gone := len(all) == 1; gone != test.gone {
				t.Errorf("addresses %v, want the VIP gone: %v", all, test.gone)
			}
			if text := test.files[ledger]; strings.Contains(text, "vip") {
				t.Errorf("left in the ledger: %q", text)
			}
		})
	}
}
