//go:build linux

package lvsdr

// Local is the machine this process runs on, seen from the network and mount
// namespace of the calling thread.
func Local() *Host {
	return &Host{
		Files:     OSFiles{},
		Sysctl:    procSys{},
		Modules:   kmod{},
		Links:     linuxLinks{},
		Routes:    linuxRoutes{},
		IPVS:      newKernelIPVS(),
		Firewalls: localFirewalls(),
		Observer:  linuxObserver{},
		Wire:      linuxWire{},
	}
}
