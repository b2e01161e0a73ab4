package host

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// Observer is what the doctor looks at, and a drain, beyond what the steps need. It
// changes nothing.
type Observer interface {
	// Listeners returns the sockets that wait for clients: TCP and SCTP in state
	// LISTEN, and UDP without a peer (sock_diag(7)).
	Listeners(ctx context.Context) ([]Listener, error)
	// Established counts the TCP connections that the host itself has open from each of
	// the addresses, by its end. Those of containers are not its own.
	Established(ctx context.Context, from []netip.Addr) (map[netip.AddrPort]int, error)
	// Neighbours returns the ARP and neighbour discovery entries (ip-neighbour(8)).
	Neighbours(ctx context.Context) ([]Neighbour, error)
	// Connections returns IPVS's connections (/proc/net/ip_vs_conn), templates of
	// persistence included, of very many some; none without IPVS.
	Connections(ctx context.Context) ([]ipvs.Connection, error)
	// Processes returns the names of the processes that run in the host's network
	// namespace, sorted, each once.
	Processes(ctx context.Context) ([]string, error)
	// Rules returns the packet filter rules that are really loaded.
	Rules(ctx context.Context) (*filter.Ruleset, error)
	// ARPDropped returns the addresses that the loaded rules for ARP drop questions
	// or answers about (nft's family arp, which arptables(8) writes to by default).
	// What else such a rule asks for is left out.
	ARPDropped(ctx context.Context) ([]netip.Addr, error)
	// RouteOf answers how the kernel would route such a packet, fs.ErrNotExist when
	// it would not (ip route get).
	RouteOf(ctx context.Context, q RouteQuery) (Route, error)
	// Local returns the host's local routes on interface link, prefixes that the
	// kernel takes for its own ("ip route show table local dev lo").
	Local(ctx context.Context, link string) ([]netip.Prefix, error)
}

// A RouteQuery is "ip route get TO from FROM iif IN".
type RouteQuery struct {
	To   netip.Addr
	From netip.Addr // invalid: any
	In   string     // the interface it came in on; empty: it is the host's own
}

// A Listener is a socket that waits for clients.
type Listener struct {
	Protocol cluster.Protocol
	Addr     netip.Addr // unspecified: all addresses of the family
	Port     uint16
	// Both tells of an IPv6 wildcard that takes IPv4 too (IPV6_V6ONLY is off).
	Both bool
	// Unsure: Both is what the kernel makes of a socket that does not say; the socket
	// itself could not be asked.
	Unsure  bool
	Link    string // bound to this interface only (SO_BINDTODEVICE)
	Process string // "nginx[123]", empty when it cannot be told
}

// Takes tells whether the listener gets what comes to the address and port, by the
// interface that it is bound to where it is.
func (l Listener) Takes(addr netip.Addr, port uint16, protocol cluster.Protocol) bool {
	if l.Protocol != protocol || l.Port != port {
		return false
	}
	if l.Addr.IsUnspecified() {
		return l.Addr.Is4() == addr.Is4() || l.Addr.Is6() && l.Both
	}
	return l.Addr == addr
}

// A Neighbour is an entry of the neighbour table.
type Neighbour struct {
	Addr  netip.Addr
	Link  string
	MAC   net.HardwareAddr // nil while not resolved
	State string           // as ip-neighbour(8) prints it: REACHABLE, STALE, DELAY, PROBE, FAILED, INCOMPLETE, PERMANENT, NOARP
}

// Wire is what the doctor puts on the LAN. All of a call's frames go out together,
// what is unanswered once more after half of the time, and the call ends when
// everything is answered or the time is over. It needs CAP_NET_RAW.
type Wire interface {
	// Ask asks the link's LAN for the MAC addresses of IP addresses, by ARP or
	// neighbour solicitation. The answers to each question are in its place: none
	// is nobody, more than one is a conflict.
	Ask(ctx context.Context, link string, questions []probe.Question, wait time.Duration) ([][]probe.Answer, error)
	// Knock sends each packet to its MAC address and returns what came of it.
	Knock(ctx context.Context, link string, knocks []probe.Knock, wait time.Duration) ([]probe.Reply, error)
	// Claims listens for so long to ARP and neighbour discovery in which
	// somebody says to have one of the addresses, and returns each claimant once;
	// cancelled, those heard until then with the context's error.
	Claims(ctx context.Context, link string, addrs []netip.Addr, wait time.Duration) ([]probe.Claim, error)
	// Adverts listens for so long to VRRP, also to what a packet filter drops, and returns
	// the latest advertisement of each router but this host; cancelled, those heard until
	// then with the context's error.
	Adverts(ctx context.Context, link string, wait time.Duration) ([]probe.Advert, error)
	// Fetch requests "/" by HTTP and returns how many bytes came before the answer
	// was over or enough, or before an error: [ErrNoHTTP] when it is none,
	// os.ErrDeadlineExceeded when it stalled. A positive mss bounds the size of the
	// segments that the server may send (TCP_MAXSEG).
	Fetch(ctx context.Context, from netip.AddrPort, mss int) (int64, error)
}
