package doctor

import (
	"context"
	"net/netip"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// An Exam is what the doctor is to look at and how. [Exam.Run] looks; each look is a
// new one and remembers nothing of those before.
//
// The Exam that a check is given is that of one look: its methods are what the host,
// its configuration and the LAN show, and each thing is looked at once however many
// checks ask. What they return is shared by all checks and not to be changed.
type Exam struct {
	Host   *host.Host
	Role   string
	Config cluster.Config
	Checks []*Check
	Steps  []step.Step // whose changes still due are drift

	Only    []string // the codes of the checks to run, with those that they need; none: all
	Ignore  []string // the codes of checks whose failures are made warnings; nothing is hidden
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
	// Described is the flags that describe the cluster, for the commands that advice
	// names on other hosts; none: those hosts have a description of their own.
	Described []string
	// AtBoot tells why set-up will be refused what the unit tells it at boot; nil:
	// nobody knows.
	AtBoot func() error
	// Watch is told when a check begins to run and when it has ended, from several
	// goroutines; nil: nobody watches.
	Watch func(c *Check, running bool)

	seen  seen
	found found // by the checks that are not AfterAll
	ran   *Exam // the look of the last Run or Prove
}

// look is an exam of the same, to which nothing has been seen yet.
func (e *Exam) look() *Exam {
	return &Exam{
		Host: e.Host.Examined(), Role: e.Role, Config: e.Config, Checks: e.Checks, Steps: e.Steps,
		Only: e.Only, Passive: e.Passive, Stage: e.Stage, Interface: e.Interface, Client: e.Client,
		SetUp: e.SetUp, Described: e.Described, AtBoot: e.AtBoot, Watch: e.Watch,
	}
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

// A memo holds what was looked at once.
type memo[T any] struct {
	once  sync.Once
	turn  chan struct{} // holds the one who looks
	known bool
	value T
	err   error
}

// get returns what was seen, and looks when nobody has. A failure is remembered like
// any other answer, so that a dead real server costs one time-out and not one a
// check; but not one that came because the asker's own context ended.
func (m *memo[T]) get(ctx context.Context, look func() (T, error)) (T, error) {
	m.once.Do(func() { m.turn = make(chan struct{}, 1) })
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-m.turn }()
	if m.known {
		return m.value, m.err
	}
	value, err := look()
	if err != nil && ctx.Err() != nil {
		return none, err
	}
	m.known, m.value, m.err = true, value, err
	return value, err
}

// had returns what was seen, where somebody has looked and it did not fail.
func (m *memo[T]) had() (value T, ok bool) {
	m.once.Do(func() { m.turn = make(chan struct{}, 1) })
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	return m.value, m.known && m.err == nil
}

// seen is all that was looked at.
type seen struct {
	links       memo[[]host.Link]
	addresses   memo[[]host.Address]
	table       memo[[]ipvs.Entry]
	served      memo[[]servedService]
	held        memo[[]host.HeldServer]
	flows       memo[map[flow]*tally]
	listeners   memo[[]host.Listener]
	neighbours  memo[[]host.Neighbour]
	connections memo[[]ipvs.Connection]
	processes   memo[[]string]
	rules       memo[*filter.Ruleset]
	arpDropped  memo[[]netip.Addr]
	openings    memo[[]step.Change] // that set-up would make
	passages    sync.Map            // of each VIP, *memopassage
	boot        memo[boot.Sysctls]
	survey      memo[*survey]
	vips        memo[map[netip.Addr]bool]
	rips        memo[map[netip.Addr]rips]           // by VIP
	at          memo[map[netip.Addr][]host.Address] // by IP address
	local       memo[[]netip.Addr]
	onLinks     memo[map[string]*onLink]  // by interface
	busy        memo[map[netip.Addr]bool] // real servers
	own         memo[[]host.Opening]      // that this host serves a share of itself
	lans        sync.Map                  // *memo[host.Link] by VIP
	keepalived  memo[*keepalived.Config]
	masters     memo[[]master]
	directors   memo[[]*serverSeen] // the other ones
	routes      sync.Map            // *memo[host.Route] by destination
}
