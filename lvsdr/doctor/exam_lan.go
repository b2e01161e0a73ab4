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
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// errNoLAN: no interface of the host is on the VIP's LAN.
var errNoLAN = errors.New("no interface of this host is on the VIP's LAN")

// lan is the interface on the LAN of the VIP's director and real servers. It fails
// with errNoLAN, and with fs.ErrNotExist when the interface that was named is not
// there.
func (e *Exam) lan(ctx context.Context, vip netip.Addr) (host.Link, error) {
	name := e.lanName()
	for _, find := range []func(context.Context, netip.Addr) (string, error){
		e.lanOfRealServer, e.lanByRoute, e.lanBySubnet, e.lanByGateway,
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
		return host.Link{}, errNoLAN
	}
	l, ok, err := e.link(ctx, name)
	if err == nil && !ok {
		err = fmt.Errorf("interface %s: %w", name, fs.ErrNotExist)
	}
	return l, err
}

// lanName is the LAN interface that somebody named, empty: nobody did.
func (e *Exam) lanName() string {
	if e.Interface == "" && e.Role == cluster.DirectorRole {
		return e.Config.Interface
	}
	return e.Interface
}

// lanOfRealServer is the interface with the host's own RIP.
func (e *Exam) lanOfRealServer(ctx context.Context, vip netip.Addr) (string, error) {
	addresses, err := e.addresses(ctx)
	for _, a := range addresses {
		if a.Link != "lo" && slices.Contains(e.rips(vip), a.Prefix.Addr()) {
			return a.Link, err
		}
	}
	return "", err
}

// lanByRoute is the interface by which a real server is reached, or the VIP.
func (e *Exam) lanByRoute(ctx context.Context, vip netip.Addr) (string, error) {
	for _, to := range append(e.rips(vip), vip) {
		r, err := e.route(ctx, to)
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
	addresses, err := e.addresses(ctx)
	for _, a := range addresses {
		if a.Link == "lo" || a.Prefix.IsSingleIP() || a.Prefix.Addr() == vip {
			continue
		}
		if slices.ContainsFunc(append(e.rips(vip), vip), a.Prefix.Contains) {
			return a.Link, err
		}
	}
	return "", err
}

// lanByGateway is the interface towards clients, for a real server of which nothing
// but the VIP is known, and that in no subnet of its own.
func (e *Exam) lanByGateway(ctx context.Context, vip netip.Addr) (string, error) {
	r, err := e.route(ctx, e.someClient(vip))
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.Local {
		return "", nil
	}
	return r.Link, err
}

// isVIP tells whether an address is a VIP of the configuration.
func (e *Exam) isVIP(ip netip.Addr) bool {
	vips, _ := e.seen.vips.get(func() (map[netip.Addr]bool, error) {
		all := map[netip.Addr]bool{}
		for _, vip := range e.Config.VIPs() {
			all[vip] = true
		}
		return all, nil
	})
	return vips[ip]
}

// takes tells whether the host takes packets to the VIP for its own: whether it is
// an address of it, on whatever interface, or a local route alone.
func (e *Exam) takes(ctx context.Context, vip netip.Addr) (bool, error) {
	r, err := e.route(ctx, vip)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return r.Local, err
}

// answering are the interfaces that are up and answer ARP on a LAN, where an address
// that they carry is found: not loopback, not a dummy, and not a port of a bridge or
// a bond, which has no say.
func (e *Exam) answering(ctx context.Context) ([]host.Link, error) {
	links, err := e.links(ctx)
	return slices.DeleteFunc(slices.Clone(links), func(l host.Link) bool {
		return !l.Up || l.Loopback || l.NoARP || l.Master != ""
	}), err
}

// subnets are those of the host's addresses on an interface, but for VIPs.
func (e *Exam) subnets(ctx context.Context, link string) ([]netip.Prefix, error) {
	addresses, err := e.addresses(ctx)
	var all []netip.Prefix
	for _, a := range addresses {
		if a.Link == link && !a.Prefix.IsSingleIP() && !e.isVIP(a.Prefix.Addr()) {
			all = append(all, a.Prefix.Masked())
		}
	}
	return all, err
}

// fronts are the interfaces on which somebody may ask for the VIP's MAC address:
// those that answer and have a subnet with the VIP, or that were named.
func (e *Exam) fronts(ctx context.Context, vip netip.Addr) ([]host.Link, error) {
	links, err := e.answering(ctx)
	if err != nil {
		return nil, err
	}
	addresses, err := e.addresses(ctx)
	return slices.DeleteFunc(links, func(l host.Link) bool {
		return l.Name != e.lanName() && !slices.ContainsFunc(addresses, func(a host.Address) bool {
			return a.Link == l.Name && !a.Prefix.IsSingleIP() && a.Prefix.Contains(vip)
		})
	}), err
}

// wasSetUp tells whether lvsdr set this host up for its role.
func (e *Exam) wasSetUp() (bool, error) {
	roles, err := step.Roles(e.Host)
	return slices.Contains(roles, e.Role), err
}
