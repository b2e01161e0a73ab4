package linux

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Local is the machine this process runs on, in the network and mount namespaces
// of the thread that calls Local: all calls on its views are made in them, from
// whatever goroutine they come. What keeps that from working is the error of each
// call.
//
// Where every thread of the process is in these namespaces, calls are made where
// they come from, at no cost; a thread that moves later takes its own calls along.
// Else a call from another thread is made on a new one, which enters them.
//
// Nothing need be closed. The host has a netlink socket from the first use of its
// IPVS view on, and files of the namespaces where there are several; they are
// closed when it is garbage.
func Local() *host.Host {
	own, err := ownNamespaces()
	switch {
	case err != nil:
		return In(func(func() error) error { return err })
	case len(own) == 0:
		return here()
	}
	return In(own.do)
}

// In is the running kernel as seen from where do calls its function: a thread in
// namespaces of the caller's choice. Each call on the host's views is one call of
// do, which may be called by several goroutines at once; the IPVS view keeps a
// socket from its first.
func In(do func(func() error) error) *host.Host {
	return here().Through(func(_ context.Context, _ string, f func() error) error { return do(f) })
}

// here makes each call in the namespaces of the thread that it comes from.
func here() *host.Host {
	table := &kernelIPVS{}
	return &host.Host{
		Files:      OSFiles{},
		Sysctl:     procSys{},
		Modules:    kmod{},
		Links:      linuxLinks{},
		Routes:     linuxRoutes{},
		IPVS:       table,
		Sync:       table,
		Firewalls:  firewall.Local(OSFiles{}),
		Observer:   linuxObserver{},
		Keepalived: checks,
		VRRP:       vips,
		Packages:   packages{},
		Wire:       linuxWire{},
	}
}
