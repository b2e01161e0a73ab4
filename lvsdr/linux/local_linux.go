//go:build linux

package linux

import (
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Local is the machine this process runs on, seen from the network and mount
// namespace of the calling thread.
func Local() *host.Host {
	return &host.Host{
		Files:     OSFiles{},
		Sysctl:    procSys{},
		Modules:   kmod{},
		Links:     linuxLinks{},
		Routes:    linuxRoutes{},
		IPVS:      newKernelIPVS(),
		Firewalls: firewall.Local(),
		Observer:  linuxObserver{},
		Wire:      linuxWire{},
	}
}
