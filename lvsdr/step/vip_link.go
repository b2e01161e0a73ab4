package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// lanLink returns the director's LAN interface for a service's VIP: the one that is
// named, or that another service of the VIP has in chosen; the one whose subnet holds
// the VIP, where clients look for it; or else the one whose route reaches the real
// servers. It fails, with what to do, where no VIP could work there.
func (s vipStep) lanLink(ctx context.Context, v *vipView, service cluster.Service, chosen map[netip.Addr]host.Link) (host.Link, error) {
	vip, servers := service.VIP, service.RealServers
	name := cmp.Or(s.config.InterfaceOf(vip), chosen[vip].Name, v.holding(ctx, service))
	routed := name == ""
	if routed && len(servers) == 0 {
		return host.Link{}, errors.New("no interface and no real servers are configured: name the LAN interface that is to carry the VIP")
	}
	if routed {
		route, err := v.route(ctx, servers[0].Address)
		if err != nil {
			return host.Link{}, err
		}
		name = route.Link
	}
	link, err := v.usable(name)
	if errors.As(err, new(noInterface)) && name == s.config.InterfaceOf(vip) {
		err = fmt.Errorf("%s: %w", interfaceKey(s.config, vip), err)
	}
	if err != nil {
		return host.Link{}, err
	}
	for _, r := range servers {
		way, err := v.reach(ctx, link, r.Address)
		if err != nil {
			return host.Link{}, err
		}
		if routed && way != link.Name {
			return host.Link{}, fmt.Errorf("real server %s is reached by interface %s, %s by %s: name the one that is to carry the VIP %s",
				r.Address, way, servers[0].Address, link.Name, vip)
		}
	}
	return link, nil
}

// holding returns the interface in whose subnet of the host's own the VIP is, empty
// when there is none; of several the one that is up and reaches the real servers.
func (v *vipView) holding(ctx context.Context, service cluster.Service) string {
	var up, down []string
	for _, l := range v.links {
		if l.Loopback || l.NoARP || !slices.ContainsFunc(v.subnets(l), func(p netip.Prefix) bool { return p.Contains(service.VIP) }) {
			continue
		}
		if l.Up {
			up = append(up, l.Name)
		} else {
			down = append(down, l.Name)
		}
	}
	if len(up) > 1 && len(service.RealServers) > 0 {
		route, err := v.host.Routes.To(ctx, service.RealServers[0].Address)
		if err == nil && slices.Contains(up, route.Link) {
			return route.Link
		}
	}
	return append(append(up, down...), "")[0]
}

// oneHost fails when the VIP is not the address of one host in a subnet of this one.
func (v *vipView) oneHost(vip netip.Addr) error {
	for _, a := range v.all {
		if !vip.Is4() || !a.Prefix.Addr().Is4() || a.Prefix.Bits() > 30 || !a.Prefix.Contains(vip) || a.Prefix.Addr() == vip {
			continue
		}
		what := ""
		if first := a.Prefix.Masked().Addr(); vip == first {
			what = "network"
		} else if vip == a.Broadcast || !a.Prefix.Contains(vip.Next()) {
			what = "broadcast"
		}
		if what != "" {
			return fmt.Errorf("the VIP %s is the %s address of %s, the subnet of %s on %s: a VIP is the address of one host, a free one of the LAN",
				vip, what, a.Prefix.Masked(), a.Prefix.Addr(), a.Link)
		}
	}
	return nil
}

// usable returns the link when it can carry a VIP that the LAN is to find.
func (v *vipView) usable(name string) (host.Link, error) {
	link, ok := v.linkNamed(name)
	switch {
	case !ok:
		return link, noInterface{name, v.linkNames()}
	case link.Loopback:
		return link, fmt.Errorf("interface %s is the loopback interface: a director's VIP belongs on the LAN; this host has %s", name, v.linkNames())
	case link.NoARP:
		return link, fmt.Errorf("interface %s does not answer ARP (NOARP), so that nobody on the LAN would find the VIP: %q, or name another interface", name, "ip link set dev "+name+" arp on")
	case !link.Up:
		return link, fmt.Errorf("interface %s is down: %q", name, "ip link set dev "+name+" up")
	}
	return link, nil
}

// noInterface is the error for an interface that the host has not got.
type noInterface struct{ name, has string }

func (e noInterface) Error() string {
	return fmt.Sprintf("there is no interface %s: this host has %s", e.name, e.has)
}

func (noInterface) Is(target error) bool { return target == fs.ErrNotExist }

// interfaceKey is the key by which the description names a VIP's interface.
func interfaceKey(c cluster.Config, vip netip.Addr) string {
	i := slices.IndexFunc(c.Services, func(s cluster.Service) bool { return s.VIP == vip && s.Interface != "" })
	if i < 0 {
		return "interface"
	}
	return fmt.Sprintf("services[%d].interface", i)
}

func (v *vipView) linkNames() string { return linkNames(v.links) }

func linkNames(links []host.Link) string {
	var names []string
	for _, l := range links {
		if !l.Loopback {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return "no interface but loopback"
	}
	return strings.Join(names, ", ")
}

// reach returns the interface by which a real server is reached, and fails when it
// cannot be by direct routing: on a LAN, from an address of the director's own. Most
// real servers are in the subnet of such an address on the VIP's link; only about the
// others the kernel is asked.
func (v *vipView) reach(ctx context.Context, link host.Link, rip netip.Addr) (string, error) {
	if way, ok := v.ways[way{link.Name, rip}]; ok {
		return way, nil
	}
	if len(v.at[rip]) > 0 && !v.isVIP[rip] {
		return "", fmt.Errorf("real server %s is this host: a director that is its own real server is not supported", rip)
	}
	if a, ok := v.swallows(rip); ok {
		return "", errSwallowed(a, rip)
	}
	by := link.Name
	if !slices.ContainsFunc(v.subnets(link), func(p netip.Prefix) bool { return p.Contains(rip) }) {
		route, err := v.route(ctx, rip)
		if err != nil {
			return "", err
		}
		if !route.Source.IsValid() || v.isVIP[route.Source] {
			return "", v.noOwnAddress(route, rip)
		}
		by = route.Link
	}
	v.ways[way{link.Name, rip}] = by
	return by, nil
}

// A way is from an interface to a real server.
type way struct {
	link string
	rip  netip.Addr
}

// noOwnAddress tells what is missing on an interface from which a real server would
// be asked for with the VIP: it holds the VIP itself and never answers.
func (v *vipView) noOwnAddress(route host.Route, rip netip.Addr) error {
	for _, a := range v.at[route.Source] {
		if a.Link == route.Link && !a.Prefix.IsSingleIP() {
			return fmt.Errorf("%s is this host's only address on %s towards real server %s, and a VIP cannot be it: the real servers hold the VIP "+
				"themselves and would never answer this host. Give a free address of the LAN as the VIP; or keep this one as the VIP, and first give %s "+
				"an address of its own, such as %q", a.Prefix, route.Link, rip, route.Link, host.OwnAddressCommand(rip, route.Link))
		}
	}
	return fmt.Errorf("interface %s has no address of its own to reach real server %s from: a real server does not answer the VIP, "+
		"which it takes for itself; add one, such as %q", route.Link, rip, host.OwnAddressCommand(rip, route.Link))
}

// subnets returns the subnets on link of the host's own addresses.
func (v *vipView) subnets(link host.Link) []netip.Prefix {
	all, known := v.subnetsOf[link.Name]
	if !known {
		seen := map[netip.Prefix]bool{}
		for _, a := range v.all {
			subnet := a.Prefix.Masked()
			if a.Link == link.Name && v.own(a) && !a.Prefix.IsSingleIP() && !a.Peer.IsValid() && !a.NoPrefixRoute && !seen[subnet] {
				seen[subnet] = true
				all = append(all, subnet)
			}
		}
		v.subnetsOf[link.Name] = all
	}
	return all
}

// route asks the kernel for the way to a real server, which must be on the LAN.
func (v *vipView) route(ctx context.Context, rip netip.Addr) (host.Route, error) {
	route, err := v.host.Routes.To(ctx, rip)
	if errors.Is(err, fs.ErrNotExist) {
		return route, fmt.Errorf("real server %s cannot be reached: give this host an address in the real server's subnet: %w", rip, err)
	}
	if err != nil {
		return route, err
	}
	if a, ok := v.swallows(rip); ok && route.Local {
		return route, errSwallowed(a, rip)
	}
	if route.Local && !v.isVIP[rip] {
		return route, fmt.Errorf("real server %s is this host: a director that is its own real server is not supported", rip)
	}
	if route.Gateway.IsValid() {
		return route, fmt.Errorf("real server %s is behind the gateway %s: direct routing changes only MAC addresses, so the director needs an address of its own in the real server's subnet", rip, route.Gateway)
	}
	return route, nil
}

// swallows returns the address on loopback whose wide mask makes a real server
// local: all of the subnet is, on such an interface (net/ipv4/fib_frontend.c,
// fib_add_ifaddr). IPVS would deliver the real server's share on this host.
func (v *vipView) swallows(rip netip.Addr) (host.Address, bool) {
	for _, a := range v.wide {
		if rip.Is4() && a.Prefix.Addr() != rip && a.Prefix.Contains(rip) {
			return a, true
		}
	}
	return host.Address{}, false
}

func errSwallowed(a host.Address, rip netip.Addr) error {
	alone, dev := netip.PrefixFrom(a.Prefix.Addr(), a.Prefix.Addr().BitLen()), " dev "+host.ShellWord(a.Link)
	return fmt.Errorf("%s on %s makes all of %s this host's own, real server %s too: %q",
		a.Prefix, a.Link, a.Prefix.Masked(), rip, "ip address add "+alone.String()+dev+" && ip address del "+a.Prefix.String()+dev)
}

// cutOff fails when taking the wrong addresses away would leave an interface
// without any address: then it is likelier that the VIP is not what it should be.
func (v *vipView) cutOff(link host.Link, wrong []host.Address) error {
	for _, a := range wrong {
		on, _ := v.linkNamed(a.Link)
		if a.Link == link.Name || on.Loopback || on.NoARP {
			continue
		}
		if !slices.ContainsFunc(v.all, func(b host.Address) bool {
			return b.Link == a.Link && b.Prefix.Addr().Is4() == a.Prefix.Addr().Is4() && v.own(b)
		}) {
			return fmt.Errorf("%s is the only address of %s, which would be cut off without it: if it is this host's own address, configure another VIP; else first give %s an address of its own", a.Prefix, a.Link, a.Link)
		}
	}
	return nil
}
