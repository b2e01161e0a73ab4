//go:build linux

// Package lab makes a cluster of hosts on one machine: a client, a director and
// real servers (and more, see [Lab.Add]) as network and mount namespaces joined by
// one bridge. Each host has an eth0, a loopback, sysctls, firewall, IPVS table and
// hostname of its own, and private copies of /etc, /var/lib and /run; everything
// else it shares with the machine. Nothing of the machine's own network or files is
// touched.
//
// The hosts are those of the documentation's cluster:
//
//	client  10.10.10.100/24  fd00:10::100/64
//	dev-1   10.10.10.30/24   fd00:10::30/64   the director
//	dev-2   10.10.10.31/24   fd00:10::31/64   real server 1
//	dev-3   10.10.10.32/24   fd00:10::32/64   real server 2
//
// and the virtual IP is to be 10.10.10.22 or fd00:10::22. A lab sets up none of
// LVS: that is for what is tried in it.
//
// It needs CAP_SYS_ADMIN and CAP_NET_ADMIN: root, or a user namespace such as
// "unshare -Urn" makes. It works the same inside the guest of
// [github.com/lvsdr/toolkit/lvsdr/lab/umlexec], which has IPVS where the machine
// has not.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
)

// The virtual IPs of the documentation's cluster.
var (
	VIP  = netip.MustParseAddr("10.10.10.22")
	VIP6 = netip.MustParseAddr("fd00:10::22")
)

// The last parts of the hosts' addresses.
const (
	directorNumber  = 30
	firstRealServer = 31
	clientNumber    = 100
)

// A Lab is a running cluster. Its methods may be called from several goroutines.
type Lab struct {
	Client      *Host
	Director    *Host
	RealServers []*Host
	// Switch is what joins them, and no host of the cluster: a bridge in namespaces of its
	// own, whose ports have the names of the hosts. It has the machine's files.
	Switch *Host

	dir    string
	origin *origin
	bridge *bridge

	mu    sync.Mutex
	hosts []*Host
}

// New makes a cluster of a client, a director and two real servers. The caller
// closes it.
func New(ctx context.Context) (*Lab, error) {
	return NewWith(ctx, 2)
}

// maxRealServers are what fits into the network beside the other hosts.
const maxRealServers = 200

// NewWith makes a cluster with so many real servers, 0 to 200: dev-2 at 10.10.10.31,
// dev-3 at 10.10.10.32 and so on, past the client's 10.10.10.100. What it made before
// a failure is removed again.
func NewWith(ctx context.Context, realServers int) (*Lab, error) {
	if realServers < 0 || realServers > maxRealServers {
		return nil, fmt.Errorf("lab: %d real servers: 0 to %d", realServers, maxRealServers)
	}
	l := &Lab{}
	if err := l.build(ctx, realServers); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, realServers int) (err error) {
	if l.dir, err = os.MkdirTemp("", "lvsdr-lab-"); err != nil {
		return err
	}
	if l.origin, err = newOrigin(l.dir); err != nil {
		return err
	}
	if l.bridge, l.origin.sysctls, err = newBridge(); err != nil {
		return err
	}
	l.Switch = &Host{Name: "switch", ns: l.bridge.ns}
	if l.Client, err = l.add(ctx, "client", clientNumber); err != nil {
		return err
	}
	if l.Director, err = l.add(ctx, "dev-1", directorNumber); err != nil {
		return err
	}
	for i := range realServers {
		h, err := l.add(ctx, fmt.Sprintf("dev-%d", i+2), realServerNumber(i))
		if err != nil {
			return err
		}
		l.RealServers = append(l.RealServers, h)
	}

	return l.ready(ctx)
}

// RIP is the address of a lab's real server: 0 is dev-2.
func RIP(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 10, 10, byte(realServerNumber(i))})
}

// realServerNumber is the last part of a real server's address: 31 and up, without
// the client's.
func realServerNumber(i int) int {
	if i < clientNumber-firstRealServer {
		return firstRealServer + i
	}
	return firstRealServer + i + 1
}

// add adds the host with this number in both networks.
func (l *Lab) add(ctx context.Context, name string, number int) (*Host, error) {
	return l.Add(ctx, name,
		netip.MustParsePrefix(fmt.Sprintf("10.10.10.%d/24", number)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:10::%d/64", number)))
}

// Add adds a host to the LAN, with these addresses on its eth0 (those of IPv6 are
// left out where the kernel has none). The name is its hostname and the name of its
// port on the bridge: at most 15 bytes, once in a lab.
func (l *Lab) Add(ctx context.Context, name string, addresses ...netip.Prefix) (*Host, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.hosts, func(h *Host) bool { return h.Name == name }) {
		return nil, fmt.Errorf("host %s is there already", name)
	}
	h, err := newHost(l.origin, name)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	l.hosts = append(l.hosts, h)
	if err := h.connect(l.bridge, len(l.hosts), addresses); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return h, nil
}

// Hosts returns every host, in the order in which they were added.
func (l *Lab) Hosts() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

// Close ends what runs on the hosts, their servers and any process, and removes
// them with their files. A lab is closed once.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, h := range l.hosts {
		errs = append(errs, h.stopServers())
	}
	errs = append(errs, killIn(l.hosts))
	for _, h := range l.hosts {
		errs = append(errs, h.ns.close())
	}
	l.hosts = nil
	if l.bridge != nil {
		errs = append(errs, l.bridge.close())
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}
