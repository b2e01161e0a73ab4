package status_test

import (
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

var (
	web = ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}
	rip = netip.MustParseAddrPort("10.10.10.31:80")
)

// known has sysctls that a host in memory lacks.
type known struct {
	host.Sysctl
	more map[string]string
}

func (k known) Get(key string) (string, error) {
	if value, ok := k.more[key]; ok {
		return value, nil
	}
	return k.Sysctl.Get(key)
}
