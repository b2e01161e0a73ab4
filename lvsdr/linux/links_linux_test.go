package linux_test

import (
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// A port of a bridge has no say on the LAN; one of a VRF keeps its addresses and answers
// for them.
func TestMasters(t *testing.T) {
	for kind, want := range map[string]string{"bridge": "upper", "vrf table 10": ""} {
		t.Run(kind, func(t *testing.T) {
			lab.OwnNetns(t, "cable eth0 far0")
			lab.IP(t, "link add upper type "+kind, "link set eth0 master upper")
			links, err := linux.Local().Links.Links(t.Context())
			i := slices.IndexFunc(links, func(l host.Link) bool { return l.Name == "eth0" })
			if err != nil || i < 0 || links[i].Master != want {
				t.Errorf("%+v, %v; want the master %q", links, err, want)
			}
		})
	}
}
