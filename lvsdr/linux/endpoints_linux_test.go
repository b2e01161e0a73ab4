package linux

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

func TestEndpoints(t *testing.T) {
	// As a 6.1 kernel writes /proc/net/sctp/eps.
	got := parseEndpoint([]byte(" 0000000000000000 0000000000000000 2   10  4    2905   0 17331 10.10.10.31 fd00:0010:0000:0000:0000:0000:0000:0031 "))
	want := []procSocket{
		{host.Listener{Protocol: cluster.SCTP, Addr: netip.MustParseAddr("10.10.10.31"), Port: 2905}, 17331},
		{host.Listener{Protocol: cluster.SCTP, Addr: netip.MustParseAddr("fd00:10::31"), Port: 2905}, 17331},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := parseEndpoint([]byte(" ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS")); got != nil {
		t.Errorf("of the header: %v", got)
	}
}
