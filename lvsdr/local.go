//go:build linux

package lvsdr

// Local is the machine this process runs on, seen from the network and mount
// namespace of the calling thread.
func Local() *Host {
	return &Host{
		Files:   OSFiles{},
		Sysctl:  procSys{},
		Modules: kmod{},
		// Links, Routes, IPVS and Firewalls come with their real views.
	}
}
