package filter

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
)

// A Ruleset is the loaded rules at one moment.
type Ruleset struct {
	base  []*baseChain // in the order of hooks and priorities
	links map[string]link
	arp   []netip.Addr // that the rules of nftables' family arp name
	// tracks: a rule, wherever it stands, brings connection tracking into use.
	tracks bool
}

// A link is what rules ask of an interface.
type link struct {
	index uint32
	kind  string // "bridge", "vlan"; empty: a device
	typ   uint16 // ARPHRD_ETHER and the like
	group uint32
}

// A baseChain is a chain that the kernel hands packets to.
type baseChain struct {
	*chain
	v4, v6   bool // the families of packets that come by
	arp      bool
	hook     Hook
	priority int
	nat      bool     // sees the first packet of each tracked connection
	drops    bool     // its policy
	devices  []string // of the hooks Ingress and Egress

	services, tooBig closing // as they were found
}

// A chain is rules in order.
type chain struct {
	tool, variant       string // "nftables", ""; "ip6tables-legacy", "legacy"
	family, table, name string // "inet", "filter", "input"
	owned               bool
	rules               []rule
}

// A rule is one that packets are held against.
type rule interface {
	// run holds the packet against the rule, and does to it what the rule does.
	run(f *flow) step
	// about tells the rule in its words.
	about() Rule
	// What who changes the chain asks for, see [ChainRule].
	handle() uint64
	comment() string
	keys() [][]byte
	line() Line
	target() string
}

// A step is what a rule does: it matches or not, and the packet then goes to one
// of the ends, to the next rule when there is none.
type step struct {
	match      answer
	ends       []end
	translates *translation
}

// A translation is what a rule of type nat does.
type translation struct {
	source bool       // it is the source that changes
	local  bool       // to an address of this host (redirect)
	addr   netip.Addr // invalid: stays
	port   uint16     // 0: stays
}

// An end is where a rule sends a packet.
type end struct {
	kind endKind
	to   *chain // of jump and leap
}

type endKind uint8

const (
	passes  endKind = iota // accept
	drops                  // drop
	rejects                // reject
	queues                 // to a program, or somewhere not known
	returns                // to the calling chain
	jumps                  // to a chain and back
	leaps                  // to a chain, and back to where this one would go (goto)
)

// endsOf are the ends that need no chain, by their kinds.
var endsOf = [...]end{{kind: passes}, {kind: drops}, {kind: rejects}, {kind: queues}, {kind: returns}}

// endOf is an end alone.
func endOf(kind endKind) []end { return endsOf[kind : kind+1 : kind+1] }

// A Rule is the place where a verdict was made.
type Rule struct {
	Tool    string // "nftables", or the command: "iptables-legacy", "ip6tables-nft"
	Variant string // of iptables: "legacy" or "nft"
	Family  string // "inet", "ip", "ip6"
	Table   string
	Owned   bool // only the process that made the table can change it (flag owner)
	Chain   string
	// Base is the base chain from which the packet came to the rule, Hook its hook.
	Base   string
	Hook   Hook
	NAT    bool
	Handle uint64 // nftables' number of the rule
	Number int    // its place in the chain, from 1
	Policy bool   // it is the base chain's policy
	Text   string // "ct state invalid drop", "-p tcp -m tcp --dport 80 -j DROP", "policy drop"
}

// Place is the chain in the tool's words: "inet filter input", "iptables-legacy
// INPUT", with the table's name when it is not filter.
func (r Rule) Place() string {
	if r.Tool == ByNftables {
		return r.Family + " " + r.Table + " " + r.Chain
	}
	if r.Table == "filter" {
		return r.Tool + " " + r.Chain
	}
	return r.Tool + " -t " + r.Table + " " + r.Chain
}

// String is the place and the rule, with the handle that nft -a shows.
func (r Rule) String() string {
	s := r.Place() + ": " + r.Text
	if r.Handle != 0 {
		s += " # handle " + strconv.FormatUint(r.Handle, 10)
	}
	return s
}

// ByNftables is the tool of rules that no iptables command has written.
const ByNftables = "nftables"

// conntrackPriority is where connection tracking sees a packet
// (NF_IP_PRI_CONNTRACK); before, every packet is invalid for "ct state".
const conntrackPriority = -200

// sort puts the base chains in the order in which packets meet them.
func (r *Ruleset) sort() *Ruleset {
	slices.SortStableFunc(r.base, func(a, b *baseChain) int {
		return cmp.Or(cmp.Compare(a.hook.turn(), b.hook.turn()), cmp.Compare(a.priority, b.priority))
	})
	return r
}

// turn is when packets come by.
func (h Hook) turn() int {
	if h == Ingress {
		return -1
	}
	return int(h)
}

// Join puts rule sets of one kernel together.
func Join(sets ...*Ruleset) *Ruleset {
	all := &Ruleset{links: map[string]link{}}
	for _, s := range sets {
		all.base = append(all.base, s.base...)
		maps.Copy(all.links, s.links)
		all.arp = append(all.arp, s.arp...)
		all.tracks = all.tracks || s.tracks
	}
	return all.sort()
}

// Tracked tells whether connection tracking is in use at all: without it "ct
// state" never matches. Rules that ask for it or translate bring it into use.
func (r *Ruleset) Tracked() bool {
	return r.tracks || slices.ContainsFunc(r.base, func(b *baseChain) bool { return b.nat })
}
