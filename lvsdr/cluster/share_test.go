package cluster_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

const tiers = `
services:
  - {vip: 10.10.10.22, ports: [80, 443], realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
  - {vip: 10.10.10.23, ports: [3306], realServers: [{address: 10.10.10.41}, {address: 10.10.10.32}]}
  - {vip: 10.10.10.22, ports: [53/udp], realServers: [{address: 10.10.10.41}]}
timeouts: {tcp: 30s}
`

func TestConfigFor(t *testing.T) {
	c, err := cluster.ParseConfig("tiers", []byte(tiers))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		addresses []string
		vips      []string
		ports     string
	}{
		{[]string{"10.10.10.31"}, []string{"10.10.10.22"}, "80 443 "},
		{[]string{"10.10.10.41", "10.10.10.99"}, []string{"10.10.10.23", "10.10.10.22"}, "3306 53/udp "},
		{[]string{"10.10.10.32"}, []string{"10.10.10.22", "10.10.10.23"}, "80 443 3306 "},
		{[]string{"10.10.10.30"}, nil, ""},
		{nil, nil, ""},
	} {
		var addresses []netip.Addr
		for _, a := range test.addresses {
			addresses = append(addresses, netip.MustParseAddr(a))
		}
		share := c.For(addresses)
		var vips []string
		for _, vip := range share.VIPs() {
			vips = append(vips, vip.String())
		}
		ports := ""
		for _, s := range share.Services {
			for _, p := range s.Ports {
				ports += p.String() + " "
			}
		}
		if !slices.Equal(vips, test.vips) || ports != test.ports {
			t.Errorf("%v: VIPs %v, ports %s; want %v, %s", test.addresses, vips, ports, test.vips, test.ports)
		}
		if share.Timeouts != c.Timeouts {
			t.Errorf("%v: timeouts %v", test.addresses, share.Timeouts)
		}
	}
	if len(c.Services) != 3 {
		t.Errorf("the configuration itself has %d services left", len(c.Services))
	}
}

// A sorry server takes the services that name it, as a real server does.
func TestConfigForSorryServer(t *testing.T) {
	c, err := cluster.ParseConfig("tiers", []byte("engine: keepalived\n"+strings.Replace(tiers, "ports: [3306],", "ports: [3306], sorryServer: 10.10.10.50,", 1)))
	if err != nil {
		t.Fatal(err)
	}
	sorry := []netip.Addr{netip.MustParseAddr("10.10.10.50")}
	if got := c.Listed(append(sorry, netip.MustParseAddr("10.10.10.99"))); !slices.Equal(got, sorry) {
		t.Errorf("listed: %v", got)
	}
	if got := c.For(sorry); len(got.Services) != 1 || got.Services[0].VIP != netip.MustParseAddr("10.10.10.23") {
		t.Errorf("its share: %+v", got.Services)
	}
}
