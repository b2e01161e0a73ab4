package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// lanLink returns the director's LAN interface: the configuration's, or the one
// whose route reaches the real servers. It fails, with what to do, where no VIP
// could work there.
func (s vipStep) lanLink(ctx context.Context, v *VipView) (host.Link, error) {
	rips := s.config.RIPs()
	name := s.config.Interface
	if name == "" && len(rips) == 0 {
		return host.Link{}, errors.New("no interface and no real servers are configured: name the LAN interface that is to carry the VIP")
	}
	if name == "" {
		route, err := v.route(ctx, rips[0])
		if err != nil {
			return host.Link{}, err
		}
		name = route.Link
	}
	link, err := v.usable(name)
	if err != nil {
		return host.Link{}, err
	}
	for _, rip := range rips {
		if err := s.reach(ctx, v, link, rip); err != nil {
			return host.Link{}, err
		}
	}
	return link, nil
}

// usable returns the link when it can carry a VIP that the LAN is to find.
func (v *VipView) usable(name string) (host.Link, error) {
	link, ok := v.linkNamed(name)
	switch {
	case !ok:
		return link, fmt.Errorf("interface %s: %w: this host has %s", name, fs.ErrNotExist, v.linkNames())
	case link.Loopback:
		return link, fmt.Errorf("interface %s is the loopback interface: a director's VIP belongs on the LAN; this host has %s", name, v.linkNames())
	case link.NoARP:
		return link, fmt.Errorf("interface %s does not answer ARP (NOARP), so that nobody on the LAN would find the VIP: %q, or name another interface", name, "ip link set dev "+name+" arp on")
	case !link.Up:
		return link, fmt.Errorf("interface %s is down: %q", name, "ip link set dev "+name+" up")
	}
	return link, nil
}

func (v *VipView) linkNames() string {
	var names []string
	for _, l := range v.links {
		if !l.Loopback {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return "no interface but loopback"
	}
	return strings.Join(names, ", ")
}

// reach fails when a real server cannot be reached by direct routing from link:
// on the LAN, from an address of the director's own. Most real servers are in
// the subnet of such an address; only about the others the kernel is asked.
func (s vipStep) reach(ctx context.Context, v *VipView, link host.Link, rip netip.Addr) error {
	if len(v.at[rip]) > 0 && !v.isVIP[rip] {
		return fmt.Errorf("real server %s is this host: a director that is its own real server is not supported", rip)
	}
	if a, ok := v.swallows(rip); ok {
		return errSwallowed(a, rip)
	}
	if slices.ContainsFunc(v.subnets(link), func(p netip.Prefix) bool { return p.Contains(rip) }) {
		return nil
	}
	route, err := v.route(ctx, rip)
	if err != nil {
		return err
	}
	if route.Link != link.Name && s.config.Interface == "" {
		return fmt.Errorf("real server %s is reached by interface %s, %s by %s: name the one that is to carry the VIP", rip, route.Link, s.config.RIPs()[0], link.Name)
	}
	if !route.Source.IsValid() || v.isVIP[route.Source] {
		return fmt.Errorf("interface %s has no address of its own to reach real server %s from: a real server does not answer the VIP, which it takes for itself; add one, such as %q", route.Link, rip, OwnAddressCommand(rip, route.Link))
	}
	return nil
}

// OwnAddressCommand shows how an address in the subnet of rip is added.
func OwnAddressCommand(rip netip.Addr, link string) string {
	example := netip.PrefixFrom(rip, 24)
	if rip.Is6() {
		example = netip.PrefixFrom(rip, 64)
	}
	return fmt.Sprintf("ip address add ADDRESS/%d dev %s", example.Bits(), link) + " with an ADDRESS of " + example.Masked().String()
}

// subnets returns the subnets on link of the host's own addresses.
func (v *VipView) subnets(link host.Link) []netip.Prefix {
	if v.subnetsOf != link.Name {
		v.subnetsOf, v.onLink = link.Name, nil
		for _, a := range v.All {
			if a.Link == link.Name && v.own(a) && !a.Prefix.IsSingleIP() && !a.Peer.IsValid() && !a.NoPrefixRoute {
				v.onLink = append(v.onLink, a.Prefix.Masked())
			}
		}
	}
	return v.onLink
}

// route asks the kernel for the way to a real server, which must be on the LAN.
func (v *VipView) route(ctx context.Context, rip netip.Addr) (host.Route, error) {
	route, err := v.Host.Routes.To(ctx, rip)
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
func (v *VipView) swallows(rip netip.Addr) (host.Address, bool) {
	for _, a := range v.All {
		if link, ok := v.linkNamed(a.Link); ok && link.Loopback && rip.Is4() && a.Prefix.Addr() != rip && a.Prefix.Contains(rip) {
			return a, true
		}
	}
	return host.Address{}, false
}

func errSwallowed(a host.Address, rip netip.Addr) error {
	return fmt.Errorf("%s on %s makes all of %s this host's own, real server %s too: %q",
		a.Prefix, a.Link, a.Prefix.Masked(), rip, "ip address del "+a.Prefix.String()+" dev "+a.Link)
}

// cutOff fails when taking the wrong addresses away would leave an interface
// without any address: then it is likelier that the VIP is not what it should be.
func (v *VipView) cutOff(link host.Link, wrong []host.Address) error {
	for _, a := range wrong {
		on, _ := v.linkNamed(a.Link)
		if a.Link == link.Name || on.Loopback || on.NoARP {
			continue
		}
		if !slices.ContainsFunc(v.All, func(b host.Address) bool {
			return b.Link == a.Link && b.Prefix.Addr().Is4() == a.Prefix.Addr().Is4() && v.own(b)
		}) {
			return fmt.Errorf("%s is the only address of %s, which would be cut off without it: if it is this host's own address, configure another VIP; else first give %s an address of its own", a.Prefix, a.Link, a.Link)
		}
	}
	return nil
}
