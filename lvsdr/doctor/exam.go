package doctor

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// An Exam is one look of the doctor at a host: what the checks ask about, and what
// has been seen so far, each thing looked at once however many checks ask.
type Exam struct {
	Host   *host.Host
	Role   string
	Config cluster.Config
	Checks []*Check
	Steps  []step.Step // whose changes still due are drift

	Only    []string // the codes of the checks to run; none: all
	Passive bool     // nothing is put on the wire
	Stage   Stage    // of the host's set-up
	// Interface is the LAN interface of this host, where the caller knows; empty: it
	// is found, on a director in the configuration.
	Interface string
	// Client is the address of a client, for the checks of the way back; invalid:
	// any address beyond the default gateway.
	Client netip.Addr
	// SetUp is the command that sets this host up again, for fixes; empty: "lvsdr
	// setup ROLE", which reads the configuration file.
	SetUp string
	// Watch is told when a check begins to run and when it has ended, from several
	// goroutines; nil: nobody watches.
	Watch func(c *Check, running bool)

	seen  seen
	found steps
}

// Stage tells a check where the host is with its set-up, for what is too early to
// ask for, or too dear.
type Stage uint8

// The stages.
const (
	InService   Stage = iota // whatever is missing is a fault
	BeforeSetUp              // preflight: what set-up and the other hosts' set-ups bring is not there yet; nobody listens for long
	AfterSetUp               // proof: what is installed next, such as the server, may not be there yet
)

// setUp is the command that mends what a step would.
func (e *Exam) setUp() string {
	if e.SetUp != "" {
		return e.SetUp
	}
	return "lvsdr setup " + e.Role
}

// A memo holds what was looked at once.
type memo[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (m *memo[T]) get(look func() (T, error)) (T, error) {
	m.once.Do(func() { m.value, m.err = look() })
	return m.value, m.err
}

type seen struct {
	links       memo[[]host.Link]
	addresses   memo[[]host.Address]
	table       memo[[]ipvs.Entry]
	served      memo[[]servedService]
	flows       memo[map[flow]*tally]
	listeners   memo[[]host.Listener]
	neighbours  memo[[]host.Neighbour]
	connections memo[[]ipvs.Connection]
	processes   memo[[]string]
	rules       memo[*filter.Ruleset]
	arpDropped  memo[[]netip.Addr]
	openings    memo[[]step.Change] // that set-up would make
	passages    sync.Map            // of each VIP, *memopassage
	boot        memo[boot.BootSysctls]
	survey      memo[*survey]
	vips        memo[map[netip.Addr]bool]
	routes      sync.Map // *memo[host.Route] by destination
}

func (e *Exam) links(ctx context.Context) ([]host.Link, error) {
	return e.seen.links.get(func() ([]host.Link, error) { return e.Host.Links.Links(ctx) })
}

// link fails with fs.ErrNotExist semantics of its own: ok is false when there is
// no such interface.
func (e *Exam) link(ctx context.Context, name string) (l host.Link, ok bool, err error) {
	links, err := e.links(ctx)
	i := slices.IndexFunc(links, func(l host.Link) bool { return l.Name == name })
	if err != nil || i < 0 {
		return host.Link{}, false, err
	}
	return links[i], true, nil
}

func (e *Exam) addresses(ctx context.Context) ([]host.Address, error) {
	return e.seen.addresses.get(func() ([]host.Address, error) { return e.Host.Links.Addresses(ctx) })
}

// route is how the host's packets to dst leave.
func (e *Exam) route(ctx context.Context, dst netip.Addr) (host.Route, error) {
	m, _ := e.seen.routes.LoadOrStore(dst, &memo[host.Route]{})
	return m.(*memo[host.Route]).get(func() (host.Route, error) { return e.Host.Routes.To(ctx, dst) })
}

// addressesOf returns where an IP address is on the host.
func (e *Exam) addressesOf(ctx context.Context, ip netip.Addr) ([]host.Address, error) {
	all, err := e.addresses(ctx)
	var at []host.Address
	for _, a := range all {
		if a.Prefix.Addr() == ip {
			at = append(at, a)
		}
	}
	return at, err
}

// table is the whole IPVS table with statistics, sorted.
func (e *Exam) table(ctx context.Context) ([]ipvs.Entry, error) {
	return e.seen.table.get(func() ([]ipvs.Entry, error) { return readTable(ctx, e.Host.IPVS) })
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

func (e *Exam) connections(ctx context.Context) ([]ipvs.Connection, error) {
	return e.seen.connections.get(func() ([]ipvs.Connection, error) { return e.Host.Observer.Connections(ctx) })
}

func (e *Exam) listeners(ctx context.Context) ([]host.Listener, error) {
	return e.seen.listeners.get(func() ([]host.Listener, error) { return e.Host.Observer.Listeners(ctx) })
}

func (e *Exam) neighbours(ctx context.Context) ([]host.Neighbour, error) {
	return e.seen.neighbours.get(func() ([]host.Neighbour, error) { return e.Host.Observer.Neighbours(ctx) })
}

// running are the names of the processes in the host's network namespace.
func (e *Exam) running(ctx context.Context) ([]string, error) {
	return e.seen.processes.get(func() ([]string, error) { return e.Host.Observer.Processes(ctx) })
}

func (e *Exam) rules(ctx context.Context) (*filter.Ruleset, error) {
	return e.seen.rules.get(func() (*filter.Ruleset, error) { return e.Host.Observer.Rules(ctx) })
}

func (e *Exam) boot() (boot.BootSysctls, error) {
	return e.seen.boot.get(func() (boot.BootSysctls, error) { return boot.ReadBootSysctls(e.Host.Files) })
}

// rips are the VIP's real servers in the configuration, each once.
func (e *Exam) rips(vip netip.Addr) []netip.Addr {
	var all []netip.Addr
	for _, s := range e.Config.Services {
		if s.VIP != vip {
			continue
		}
		for _, r := range s.RealServers {
			if !slices.Contains(all, r.Address) {
				all = append(all, r.Address)
			}
		}
	}
	return all
}
