package doctor

import (
	"context"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Links returns the host's interfaces.
func (e *Exam) Links(ctx context.Context) ([]host.Link, error) {
	return e.seen.links.get(ctx, func() ([]host.Link, error) { return e.Host.Links.Links(ctx) })
}

// Link returns the interface of that name; ok is false when there is none.
func (e *Exam) Link(ctx context.Context, name string) (l host.Link, ok bool, err error) {
	links, err := e.Links(ctx)
	i := slices.IndexFunc(links, func(l host.Link) bool { return l.Name == name })
	if err != nil || i < 0 {
		return host.Link{}, false, err
	}
	return links[i], true, nil
}

// Addresses returns the addresses of all interfaces.
func (e *Exam) Addresses(ctx context.Context) ([]host.Address, error) {
	return e.seen.addresses.get(ctx, func() ([]host.Address, error) { return e.Host.Links.Addresses(ctx) })
}

// Route returns how the host's packets to dst leave, fs.ErrNotExist when they do not.
func (e *Exam) Route(ctx context.Context, dst netip.Addr) (host.Route, error) {
	m, _ := e.seen.routes.LoadOrStore(dst, &memo[host.Route]{})
	return m.(*memo[host.Route]).get(ctx, func() (host.Route, error) { return e.Host.Routes.To(ctx, dst) })
}

// AddressesOf returns where an IP address is on the host, nothing when it is nowhere.
func (e *Exam) AddressesOf(ctx context.Context, ip netip.Addr) ([]host.Address, error) {
	at, err := e.at(ctx)
	return at[ip], err
}

// Table returns the whole IPVS table with statistics, sorted.
func (e *Exam) Table(ctx context.Context) ([]ipvs.Entry, error) {
	return e.seen.table.get(ctx, func() ([]ipvs.Entry, error) { return readTable(ctx, e.Host.IPVS) })
}

func readTable(ctx context.Context, table host.IPVS) ([]ipvs.Entry, error) {
	services, err := table.Services(ctx, ipvs.WithStats)
	if err != nil {
		return nil, err
	}
	all := make([]ipvs.Entry, len(services))
	for i, s := range services {
		all[i].Service = s
		if all[i].Destinations, err = table.Destinations(ctx, s.ID, ipvs.WithStats); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b ipvs.Entry) int { return a.ID.Compare(b.ID) })
	return all, nil
}

// Connections returns the connections of the IPVS table (/proc/net/ip_vs_conn).
func (e *Exam) Connections(ctx context.Context) ([]ipvs.Connection, error) {
	return e.seen.connections.get(ctx, func() ([]ipvs.Connection, error) { return e.Host.Observer.Connections(ctx) })
}

// Listeners returns the sockets that wait for packets from others.
func (e *Exam) Listeners(ctx context.Context) ([]host.Listener, error) {
	return e.seen.listeners.get(ctx, func() ([]host.Listener, error) { return e.Host.Observer.Listeners(ctx) })
}

// Neighbours returns the kernel's neighbour table, ARP's and IPv6's.
func (e *Exam) Neighbours(ctx context.Context) ([]host.Neighbour, error) {
	return e.seen.neighbours.get(ctx, func() ([]host.Neighbour, error) { return e.Host.Observer.Neighbours(ctx) })
}

// Processes returns the names of the processes in the host's network namespace.
func (e *Exam) Processes(ctx context.Context) ([]string, error) {
	return e.seen.processes.get(ctx, func() ([]string, error) { return e.Host.Observer.Processes(ctx) })
}

// Rules returns the rules of the packet filter that are loaded.
func (e *Exam) Rules(ctx context.Context) (*filter.Ruleset, error) {
	return e.seen.rules.get(ctx, func() (*filter.Ruleset, error) { return e.Host.Observer.Rules(ctx) })
}

// BootSysctls returns what the files of sysctl.d(5) set at boot.
func (e *Exam) BootSysctls() (boot.Sysctls, error) {
	return e.seen.boot.get(context.Background(), func() (boot.Sysctls, error) { return boot.ReadSysctls(e.Host.Files) })
}

// RealServers returns the VIP's real servers in the configuration, each once.
func (e *Exam) RealServers(vip netip.Addr) []netip.Addr { return slices.Clip(e.rips(vip).all) }

// WasSetUp tells whether lvsdr has set this host up in the role of the exam.
func (e *Exam) WasSetUp() (bool, error) {
	trace, err := step.TraceOf(e.Host, e.Role)
	return trace != "", err
}

// SetUpCommand is the command that mends what a step of the role would, for fixes.
func (e *Exam) SetUpCommand() string {
	if e.SetUp != "" {
		return e.SetUp
	}
	return "lvsdr setup " + e.Role
}
