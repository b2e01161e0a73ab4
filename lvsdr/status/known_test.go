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

// known has the sysctls of the network core, which a host in memory lacks.
type known struct{ host.Sysctl }

func (k known) Get(key string) (string, error) {
	switch key {
	case "net/core/netdev_max_backlog":
		return "1000", nil
	case "net/core/netdev_budget":
		return "300", nil
	}
	return k.Sysctl.Get(key)
}
