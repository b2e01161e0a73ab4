package host

import (
	"context"
	"io/fs"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A Host is the machine a role is applied to, as the few small views of it that
// the steps need. Local of package linux returns the running machine; package
// lvsdrtest has one in memory.
//
// The ledger: what a step cannot read off its own mark at teardown, it writes
// down before its first change, in /run/lvsdr, which lives as long as the
// running kernel's state that it describes (Ledger of package step).
type Host struct {
	Files     Files
	Sysctl    Sysctl
	Modules   Modules
	Links     Links
	Routes    Routes
	IPVS      IPVS
	Firewalls []Firewall // all that may be in use; in this order they are looked at and changed

	// Sync is the kernel's connection synchronisation; nil where it cannot be had.
	Sync Sync

	// Keepalived is for the engine of that name; nil where it cannot be had.
	Keepalived Keepalived
	// VRRP moves the VIPs between the directors; nil where it cannot be had.
	VRRP VRRP
	// Packages is for who is asked to install what is missing; no step does it unasked.
	// Nil where it cannot be had.
	Packages Packages

	// Observer and Wire are for the doctor alone.
	Observer Observer
	Wire     Wire

	// Runtime leaves alone everything that outlives a reboot: /etc is neither
	// written nor cleaned.
	Runtime bool

	// Image tells that the host does not run: Files is the tree of an image, and
	// nothing else is looked at. Only what outlives a reboot is planned, and the
	// values before it are those that the image would boot with.
	Image bool

	held *atomic.Bool // whether this value has the lock, see Lock
}

// Files is the host's file system, absolute slash-separated names throughout.
type Files interface {
	// ReadFile fails with fs.ErrNotExist when there is no such file.
	ReadFile(name string) ([]byte, error)
	// WriteFile replaces the file in one atomic step and makes missing parents.
	WriteFile(name string, data []byte, perm fs.FileMode) error
	// Symlink makes name point to target, replacing a link that is there.
	Symlink(target, name string) error
	// Readlink fails with fs.ErrNotExist when name is not a symbolic link.
	Readlink(name string) (string, error)
	// Remove removes a file, a link or an empty directory; none there is no error.
	Remove(name string) error
	// ReadDir lists the names in a directory, sorted; fs.ErrNotExist when absent.
	ReadDir(name string) ([]string, error)
	// Lock takes the lock of that name and makes its folder, or fails at once with
	// a [*LockedError]. Unlock leaves no trace of it: the file goes, and the folder
	// when it is empty. A process that ends gives its locks up.
	Lock(name string) (unlock func(), err error)
}

// Sysctl is /proc/sys. Keys are written with slashes, as sysctl(8) allows
// ("net/ipv4/conf/eth0.100/arp_ignore"), because interface names hold dots.
type Sysctl interface {
	// Get fails with fs.ErrNotExist when the kernel has no such key (yet).
	Get(key string) (string, error)
	// Set fails with fs.ErrNotExist when there is no such key, and with what the
	// kernel answers to a value that it does not take (syscall.EINVAL).
	Set(key, value string) error
}

// Modules is the kernel's module loader.
type Modules interface {
	// Loaded tells whether the module is loaded or built in.
	Loaded(name string) (bool, error)
	// Find fails with fs.ErrNotExist when the running kernel has no such module
	// to load. It loads nothing.
	Find(ctx context.Context, name string) error
	// Load loads the module; loaded already is no error.
	Load(ctx context.Context, name string) error
}

// A Link is a network interface.
type Link struct {
	Name     string
	Index    int
	MAC      net.HardwareAddr
	Up       bool
	Loopback bool
	NoARP    bool
	Carrier  bool   // a cable is plugged in, the lower layer is up
	MTU      int    // bytes
	Master   string // the bridge or bond that it is a port of, which has no say; not a VRF
	LRO      bool   // received packets are merged into larger ones than came, by a driver that cannot take them apart again
	Kind     string // as ip-link(8) names it: "veth", "dummy", "bridge"; empty: hardware
}

// An Address is an IP address on an interface, with what it takes to put it back
// exactly as it was.
type Address struct {
	Prefix     netip.Prefix `json:"prefix"` // address and mask, host bits kept
	Link       string       `json:"link"`
	Label      string       `json:"label,omitempty"`      // IPv4 only; the interface's name when nobody set one
	Deprecated bool         `json:"deprecated,omitempty"` // IPv6: preferred lifetime 0, never picked as a source
	NoDAD      bool         `json:"noDAD,omitempty"`      // IPv6: added without duplicate address detection

	Peer          netip.Addr    `json:"peer,omitzero"`      // the other end of a point-to-point address
	Broadcast     netip.Addr    `json:"broadcast,omitzero"` // IPv4 only
	Scope         uint8         `json:"scope,omitempty"`    // rtnetlink(7): 0 global, 253 link, 254 host
	NoPrefixRoute bool          `json:"noPrefixRoute,omitempty"`
	Metric        uint32        `json:"metric,omitempty"`   // of the prefix route; 0: the kernel's
	Protocol      uint8         `json:"protocol,omitempty"` // who added it, IFA_PROTO; 0: not told
	Lifetime      time.Duration `json:"lifetime,omitempty"` // whole seconds left; 0: for ever

	// DADFailed tells that IPv6's duplicate address detection found the address
	// on another host, Tentative that it has not ended yet: the address is not in
	// use here. They are only read.
	DADFailed bool `json:"-"`
	Tentative bool `json:"-"`
}

// String renders the address in the words of ip-address(8):
// "10.10.10.22/32 dev eth0 label eth0:0". What is as usual is left out.
func (a Address) String() string {
	s := a.Prefix.String() + " dev " + a.Link
	if a.Label != "" && a.Label != a.Link {
		s += " label " + a.Label
	}
	if a.Deprecated {
		s += " preferred_lft 0"
	}
	return s
}

// Links is the host's interfaces and their addresses.
type Links interface {
	// Links returns all interfaces, loopback among them, in the order of their indexes.
	Links(ctx context.Context) ([]Link, error)
	// SetUp brings a link up or down.
	SetUp(ctx context.Context, link string, up bool) error
	// Addresses returns all addresses, each link's in the kernel's order: a
	// primary IPv4 address comes before its secondaries.
	Addresses(ctx context.Context) ([]Address, error)
	// AddAddress adds the address; the same one being there is no error. On
	// IPv6, one with the same prefix gets what else a says, in place.
	AddAddress(ctx context.Context, a Address) error
	// RemoveAddress removes the address; none there is no error.
	RemoveAddress(ctx context.Context, a Address) error
	// Announce tells the LAN of link that addrs are here: gratuitous ARP
	// (RFC 5227 section 3) or an unsolicited neighbour advertisement
	// (RFC 4861 section 7.2.6). Many at once are cheaper than one by one.
	Announce(ctx context.Context, link string, addrs ...netip.Addr) error
}

// A Route is the kernel's answer to "how would a packet to this address leave".
type Route struct {
	Link    string
	Gateway netip.Addr // invalid when the destination is on the link
	Source  netip.Addr
	Local   bool // the destination is one of the host's own addresses
	MTU     int  // of the route, or learned of the path; 0: the link's
}

// RouteProtocol is the routing protocol number that lvsdr's routes carry, as in
// "ip route show proto 76". No other software is known to use it: it is in
// neither include/uapi/linux/rtnetlink.h nor iproute2's rt_protos.
const RouteProtocol = 76

// Routes is the host's routing table, as far as a role needs it.
type Routes interface {
	// To fails with fs.ErrNotExist when there is no route.
	To(ctx context.Context, dst netip.Addr) (Route, error)
	// Blackholes returns the addresses that lvsdr has blackholed (by its
	// routing protocol number), sorted.
	Blackholes(ctx context.Context) ([]netip.Addr, error)
	// AddBlackhole adds a host route of type blackhole to the main table, which
	// counts only while addr is not local; there already is no error.
	AddBlackhole(ctx context.Context, addr netip.Addr) error
	// RemoveBlackhole removes lvsdr's blackhole route; none there is no error.
	RemoveBlackhole(ctx context.Context, addr netip.Addr) error
}

// IPVS is the kernel's virtual server table. Every method fails with [ErrNoIPVS]
// when the kernel has no IPVS, except that reading is then empty.
type IPVS interface {
	// Services returns all services, their Stats only where detail asks for them.
	Services(ctx context.Context, detail ipvs.Detail) ([]ipvs.Service, error)
	// Destinations returns the real servers of one service, fs.ErrNotExist when
	// there is no such service.
	Destinations(ctx context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error)
	// Apply carries out commands in order, stopping at none: it returns the
	// number of commands up to the first that the kernel refused, and that
	// command's error.
	Apply(ctx context.Context, commands []ipvs.Command) (int, error)
	// Timeouts returns the three connection timeouts (ipvsadm -L --timeout).
	Timeouts(ctx context.Context) (ipvs.Timeouts, error)
	// SetTimeouts sets those that are not zero.
	SetTimeouts(ctx context.Context, t ipvs.Timeouts) error
}

// Sync is the kernel's connection synchronisation daemons, one of each state at most.
type Sync interface {
	// Daemons are those that run, the master first; none without IPVS.
	Daemons(ctx context.Context) ([]ipvs.Daemon, error)
	// StartDaemon fails with fs.ErrExist when one of that state runs already.
	StartDaemon(ctx context.Context, d ipvs.Daemon) error
	// StopDaemon fails with fs.ErrNotExist when none of that state runs.
	StopDaemon(ctx context.Context, state ipvs.DaemonState) error
}

// A Gate is one place of a firewall that may drop packets: a base chain on the
// prerouting, input or output hook, or a firewall manager's zone.
type Gate struct {
	Name     string    // "inet filter input", "legacy ip INPUT", "public": unique in its firewall
	Family   string    // "ip" or "ip6" when only such packets pass; empty: both
	Output   bool      // on the way out, which only a director's packets take; otherwise on the way in
	Filters  bool      // there is a policy or rule that can drop
	Openings []Opening // those that lvsdr has made there, sorted

	// Untracked: an opening here does not accept packets but keeps them out of
	// connection tracking, which on a director sees one direction only.
	Untracked bool
	// Shadowed: a rule that can drop stands before lvsdr's own.
	Shadowed bool
	// Owner tells whom the gate belongs to when nobody else can change it.
	Owner string
	// Refuses tells why the firewall itself does not let the gate be changed, and the way
	// out; empty where it does.
	Refuses string

	// Keeper names the firewall of this host that loads the gate's rules, and anew
	// without lvsdr's: what that one lets in needs no opening here.
	Keeper string
	// Lasts: the openings are on disk and outlive a reboot.
	Lasts bool
	// Later: they count only when the firewall loads its rules the next time.
	Later bool
	// Stopped: the firewall, a manager, does not run. Its openings stay for when it does,
	// until teardown.
	Stopped bool
	// Unable are protocols that the gate cannot be opened for.
	Unable []cluster.Protocol
	// Admits are protocols that need no opening: nothing there can drop them.
	Admits []cluster.Protocol
}

// Runs is the opposite of Stopped.
func (g Gate) Runs() bool { return !g.Stopped }

// A Place names a gate among those of all firewalls of a host.
type Place struct {
	Firewall string // "nftables", "iptables"
	Gate     string // the gate's name in it
}

// String is "nftables inet filter input".
func (p Place) String() string { return p.Firewall + " " + p.Gate }

// Firewall is one of the packet filters of the host. Nothing in it is flushed
// and no rule of somebody else is changed.
type Firewall interface {
	Name() string // "nftables", "iptables", "firewalld", "ufw"
	// Gates returns every gate, in a stable order, none when the filter is not
	// in use. Looking does not bring it into use.
	Gates(ctx context.Context) ([]Gate, error)
	// Set makes lvsdr's openings in the gate exactly these, in one atomic step
	// where the firewall has one: what passed before and passes after is let
	// through all the while. None removes lvsdr's mark. A gate that is no
	// longer there is no error.
	Set(ctx context.Context, gate string, openings []Opening) error
}
