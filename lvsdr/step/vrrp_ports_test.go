package step

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// The directors hear each other through their firewalls: by multicast, in each family
// that has a VIP, or by unicast from one address to the others.
func TestAdvertisementsOf(t *testing.T) {
	for _, test := range []struct {
		vrrp, vips string
		want       []string
	}{
		{"", "{vip: 10.10.10.22}", nil},
		{"vrrp: {}\n", "{vip: 10.10.10.22}, {vip: 10.10.10.23}", []string{"224.0.0.18"}},
		{"vrrp: {}\n", "{vip: 10.10.10.22}, {vip: 'fd00:10::22'}", []string{"224.0.0.18", "ff02::12"}},
		{"vrrp: {unicast: true}\n", "{vip: 10.10.10.22}", []string{"10.10.10.30", "10.10.10.33"}},
	} {
		c, err := cluster.ParseConfig("c.yaml", []byte("directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\n"+test.vrrp+"services: ["+test.vips+"]\n"))
		if err != nil {
			t.Fatal(err)
		}
		var got []host.Opening
		for _, to := range test.want {
			got = append(got, host.Opening{VIP: netip.MustParseAddr(to), Protocol: host.VRRPProtocol})
		}
		if all := AdvertisementsOf(c); !slices.Equal(all, got) {
			t.Errorf("%s%s: %v, want %v", test.vrrp, test.vips, all, got)
		}
	}
}
