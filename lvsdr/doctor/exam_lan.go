package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ErrNoLAN: no interface of the host is on the VIP's LAN.
var ErrNoLAN = errors.New("no interface of this host is on the VIP's LAN")

// LAN returns the interface on the LAN of the VIP's director and real servers. It fails
// with ErrNoLAN, and with fs.ErrNotExist when the interface that was named is not
// there. Where nothing tells which it is, it is one of those that [Exam.inlets] has.
func (e *Exam) LAN(ctx context.Context, vip netip.Addr) (host.Link, error) {
	l, err := e.knownLAN(ctx, vip)
	if !errors.Is(err, ErrNoLAN) {
		return l, err
	}
	name, err := e.lanByGateway(ctx, vip)
	if err != nil {
		return host.Link{}, err
	}
	if name != "" {
		return e.linkNamed(ctx, name)
	}
	reached, err := e.reachable(ctx, vip)
	if err == nil && (e.Role != cluster.RealServerRole || len(reached) == 0) {
		err = ErrNoLAN
	}
	if err != nil {
		return host.Link{}, err
	}
	return reached[0], nil
}

// knownLAN is that interface where the host's own addresses and routes tell it.
func (e *Exam) knownLAN(ctx context.Context, vip netip.Addr) (host.Link, error) {
	m, _ := e.seen.lans.LoadOrStore(vip, &memo[host.Link]{})
	return m.(*memo[host.Link]).get(ctx, func() (host.Link, error) { return e.findLAN(ctx, vip) })
}

func (e *Exam) findLAN(ctx context.Context, vip netip.Addr) (host.Link, error) {
	name := e.lanName(vip)
	for _, find := range []func(context.Context, netip.Addr) (string, error){
		e.lanOfVIP, e.lanOfRealServer, e.lanByRoute, e.lanBySubnet,
	} {
		var err error
		if name == "" {
			name, err = find(ctx, vip)
		}
		if err != nil {
			return host.Link{}, err
		}
	}
	if name == "" {
		return host.Link{}, ErrNoLAN
	}
	return e.linkNamed(ctx, name)
}

// linkNamed is the interface of that name, fs.ErrNotExist when there is none.
func (e *Exam) linkNamed(ctx context.Context, name string) (host.Link, error) {
	l, ok, err := e.Link(ctx, name)
	if err == nil && !ok {
		err = fmt.Errorf("interface %s: %w", name, fs.ErrNotExist)
	}
	return l, err
}

// inlets are the interfaces by which a director may send a real server the VIP's packets:
// the LAN's; where nothing tells which that is (a VIP in no subnet of the host, of which
// nothing but the VIP is known), all on which a director may be.
func (e *Exam) inlets(ctx context.Context, vip netip.Addr) ([]host.Link, error) {
	if e.Role != cluster.RealServerRole {
		l, err := e.LAN(ctx, vip)
		return []host.Link{l}, err
	}
	l, err := e.knownLAN(ctx, vip)
	if !errors.Is(err, ErrNoLAN) {
		return []host.Link{l}, err
	}
	all, err := e.reachable(ctx, vip)
	if err == nil && len(all) == 0 {
		err = ErrNoLAN
	}
	return all, err
}

// reachable are the interfaces on which another host may know this one: those that
// answer ARP and have an address of its own, of the VIP's family; those with a carrier
// first.
func (e *Exam) reachable(ctx context.Context, vip netip.Addr) ([]host.Link, error) {
	links, err := e.answering(ctx)
	if err != nil {
		return nil, err
	}
	addresses, err := e.Addresses(ctx)
	slices.SortStableFunc(links, func(a, b host.Link) int {
		switch {
		case a.Carrier == b.Carrier:
			return 0
		case a.Carrier:
			return -1
		}
		return 1
	})
	return slices.DeleteFunc(links, func(l host.Link) bool {
		return !slices.ContainsFunc(addresses, func(a host.Address) bool {
			ip := a.Prefix.Addr()
			return a.Link == l.Name && ip.Is4() == vip.Is4() && !ip.IsLinkLocalUnicast() && !e.isVIP(ip)
		})
	}), err
}

// lanName is the LAN interface that somebody named, empty: nobody did.
func (e *Exam) lanName(vip netip.Addr) string {
	if e.Interface == "" && e.Role == cluster.DirectorRole {
		return e.Config.InterfaceOf(vip)
	}
	return e.Interface
}

// lanOfVIP is, on a director, the interface in whose subnet the VIP is: clients look for
// it there, be the real servers behind another one. Of several it is the one that
// reaches the real servers.
func (e *Exam) lanOfVIP(ctx context.Context, vip netip.Addr) (string, error) {
	if e.Role != cluster.DirectorRole {
		return "", nil
	}
	links, err := e.answering(ctx)
	if err != nil {
		return "", err
	}
	var holding []string
	for _, l := range links {
		subnets, err := e.subnets(ctx, l.Name)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(subnets, func(p netip.Prefix) bool { return p.Contains(vip) }) {
			holding = append(holding, l.Name)
		}
	}
	if len(holding) > 1 {
		if by, err := e.lanByRoute(ctx, vip); err != nil || slices.Contains(holding, by) {
			return by, err
		}
	}
	return append(holding, "")[0], nil
}

// lanOfRealServer is the interface with the host's own RIP.
func (e *Exam) lanOfRealServer(ctx context.Context, vip netip.Addr) (string, error) {
	addresses, err := e.Addresses(ctx)
	rips := e.rips(vip)
	for _, a := range addresses {
		if a.Link != "lo" && rips.has[a.Prefix.Addr()] {
			return a.Link, err
		}
	}
	return "", err
}

// lanByRoute is the interface by which a real server is reached, or the VIP.
func (e *Exam) lanByRoute(ctx context.Context, vip netip.Addr) (string, error) {
	for _, to := range append(e.RealServers(vip), vip) {
		r, err := e.Route(ctx, to)
		if err == nil && !r.Local && !r.Gateway.IsValid() && r.Link != "lo" {
			return r.Link, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// lanBySubnet is an interface in whose subnet a real server or the VIP is; it finds
// one that is down, too.
func (e *Exam) lanBySubnet(ctx context.Context, vip netip.Addr) (string, error) {
	addresses, err := e.Addresses(ctx)
	near := append(e.RealServers(vip), vip)
	known := map[host.Address]bool{}
	for _, a := range addresses {
		subnet := host.Address{Link: a.Link, Prefix: a.Prefix.Masked()}
		if a.Link == "lo" || a.Prefix.IsSingleIP() || a.Prefix.Addr() == vip || known[subnet] {
			continue
		}
		known[subnet] = true
		if slices.ContainsFunc(near, a.Prefix.Contains) {
			return a.Link, err
		}
	}
	return "", err
}

// lanByGateway is the interface towards clients, for a real server of which nothing
// but the VIP is known, and that in no subnet of its own; for a client, that by which it
// reaches the VIP.
func (e *Exam) lanByGateway(ctx context.Context, vip netip.Addr) (string, error) {
	to := e.someClient(vip)
	if e.Role == cluster.ClientRole {
		to = vip
	}
	r, err := e.Route(ctx, to)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.Local {
		return "", nil
	}
	return r.Link, err
}

// isVIP tells whether an address is a VIP of the configuration.
func (e *Exam) isVIP(ip netip.Addr) bool {
	vips, _ := e.seen.vips.get(context.Background(), func() (map[netip.Addr]bool, error) {
		all := map[netip.Addr]bool{}
		for _, vip := range e.Config.VIPs() {
			all[vip] = true
		}
		return all, nil
	})
	return vips[ip]
}

// Takes tells whether the host takes packets to the VIP for its own: whether it is
// an address of it, on whatever interface, or a local route alone.
func (e *Exam) Takes(ctx context.Context, vip netip.Addr) (bool, error) {
	r, err := e.Route(ctx, vip)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && r.Local {
		return err == nil, err
	}
	return e.takesWhere(ctx, vip)
}

// takesWhere tells it of the interface that has the VIP: by a routing rule, or in a VRF,
// what comes in there is looked up in another table than what the host sends itself.
func (e *Exam) takesWhere(ctx context.Context, vip netip.Addr) (bool, error) {
	at, err := e.AddressesOf(ctx, vip)
	for _, a := range at {
		l, ok, err := e.Link(ctx, a.Link)
		if err != nil {
			return false, err
		}
		if !ok || !l.Up || l.Loopback {
			continue
		}
		r, err := e.Host.Observer.RouteOf(ctx, host.RouteQuery{To: vip, From: e.neighbour(vip), In: l.Name})
		if err == nil && r.Local {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, err
}

// neighbour is somebody on the VIP's LAN, whom no reverse path filter drops there: a real
// server, or, where none is known, some client.
func (e *Exam) neighbour(vip netip.Addr) netip.Addr {
	if rips := e.RealServers(vip); len(rips) > 0 && !e.Client.IsValid() {
		return rips[0]
	}
	return e.someClient(vip)
}

// answering are the interfaces that are up and answer ARP on a LAN, where an address
// that they carry is found: not loopback, not a dummy, and not a port of a bridge or
// a bond, which has no say.
func (e *Exam) answering(ctx context.Context) ([]host.Link, error) {
	links, err := e.Links(ctx)
	return slices.DeleteFunc(slices.Clone(links), func(l host.Link) bool {
		return !l.Up || l.Loopback || l.NoARP || l.Master != ""
	}), err
}

// subnets are those of the host's addresses on an interface, but for VIPs.
func (e *Exam) subnets(ctx context.Context, link string) ([]netip.Prefix, error) {
	on, err := e.onLink(ctx, link)
	return on.subnets, err
}

// fronts are the interfaces on which somebody may ask for the VIP's MAC address:
// those that answer and have a subnet with the VIP, or that were named. A VIP that no
// interface has in its subnet may still be on the wire of one, in a subnet of others
// (assumed): then they are all on which other hosts know this one.
func (e *Exam) fronts(ctx context.Context, vip netip.Addr) (all []front, err error) {
	links, err := e.answering(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		on, err := e.onLink(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		holds := func(p netip.Prefix) bool { return p.Contains(vip) }
		if l.Name == e.lanName(vip) || slices.ContainsFunc(on.prefixes, holds) {
			all = append(all, front{link: l, vip: vip})
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	links, err = e.reachable(ctx, vip)
	for _, l := range links {
		all = append(all, front{link: l, vip: vip, assumed: true})
	}
	return all, err
}

// A front is an interface on which somebody may ask for the MAC address of a VIP.
type front struct {
	link    host.Link
	vip     netip.Addr
	assumed bool // nothing but what answers there tells whether the VIP is on its wire
}
