package step

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// VIP is the name of the step that has the VIPs.
const VIP = "vip"

// DirectorVIPs is the step that has every VIP on the LAN interface and announced
// there: IPv4 as /32 with the label "eth0:0", IPv6 as /128 and deprecated, so that
// the director never talks to a real server from the VIP, which the real server
// would take for its own.
//
// There is no duplicate address detection for the VIP: IPv4 has none in the
// kernel, and IPv6's would keep the VIP from answering for one to two seconds,
// as keepalived does it. Two hosts that answer for the VIP are for a check to
// find, in both families alike.
//
// What is in the way is set right and put back at teardown: the VIP with another
// mask or label or on another interface. A VIP that is just as wanted before
// set-up is nobody's change and stays.
//
// With [cluster.Config.VRRP] a keepalived of lvsdr's own has them instead, see
// [host.VRRP]: where another director is the master they are not here.
func DirectorVIPs(c cluster.Config) Step { return movedVIPs{vipStep{cluster.DirectorRole, c}} }

// RealServerVIPs is the step that has every VIP on the loopback interface: IPv4 as
// /32 with the label "lo:0" and of scope host, IPv6 as /128. Loopback is not on the LAN: with the
// role's ARP sysctls nobody there learns of the VIP, IPv6's duplicate address
// detection does not run and its neighbour discovery does not answer. What is in
// the way is treated as by [DirectorVIPs].
func RealServerVIPs(c cluster.Config) Step { return vipStep{cluster.RealServerRole, c} }

type vipStep struct {
	role   string
	config cluster.Config
}

func (vipStep) Name() string { return VIP }

func (s vipStep) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	v, err := s.look(ctx, h)
	if err != nil {
		return nil, err
	}
	return s.plan(ctx, v, want)
}

func (s vipStep) plan(ctx context.Context, v *vipView, want State) ([]Change, error) {
	if want == Absent {
		return v.absent()
	}
	links, err := s.linksOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return v.present(links)
}

// linksOf returns the interface that is to carry each VIP.
func (s vipStep) linksOf(ctx context.Context, v *vipView) (map[netip.Addr]host.Link, error) {
	links := make(map[netip.Addr]host.Link, len(v.vips))
	for _, service := range s.config.Services {
		vip := service.VIP
		if err := v.oneHost(vip); err != nil {
			return nil, err
		}
		link, err := v.loopback()
		if s.role == cluster.DirectorRole {
			link, err = s.lanLink(ctx, v, service, links)
		}
		if err != nil {
			return nil, err
		}
		links[vip] = link
	}
	return links, nil
}

func (v *vipView) loopback() (host.Link, error) {
	i := slices.IndexFunc(v.links, func(l host.Link) bool { return l.Loopback })
	if i < 0 {
		return host.Link{}, fmt.Errorf("there is no loopback interface")
	}
	return v.links[i], nil
}

// present returns the changes that bring every VIP onto its link and give back those
// that are no longer in the configuration.
func (v *vipView) present(links map[netip.Addr]host.Link) ([]Change, error) {
	var changes []Change
	before := map[string]string{}
	remember := sync.OnceValue(func() error { return v.ledger.Remember(before) })
	for _, vip := range v.vips {
		link := links[vip]
		want := v.wanted(vip, link)
		wrong, there := v.compare(want)
		if there && len(wrong) == 0 {
			if _, due := v.lines[announceKey(vip)]; due {
				changes = append(changes, v.announcement(want))
			}
			continue
		}
		if err := v.cutOff(link, wrong); err != nil {
			return nil, err
		}
		changes = append(changes, v.promotions(wrong, before, remember)...)
		before[vipKey(vip)] = encodeAddresses(v.at[vip])
		if v.role == cluster.DirectorRole {
			before[announceKey(vip)] = ""
		}
		changes = append(changes, v.place(want, wrong, remember))
	}
	former, err := v.giveBack(Present, without(v.remembered(), v.vips))
	return append(changes, former...), err
}

// wanted is the address that vip is to be, on link.
func (v *vipView) wanted(vip netip.Addr, link host.Link) host.Address {
	a := host.Address{Prefix: host.HostPrefix(vip), Link: link.Name}
	if vip.Is4() {
		a.Label = VIPLabel(link.Name)
		if v.role == cluster.RealServerRole {
			a.Scope = scopeHost
		}
		return a
	}
	a.NoDAD = true
	a.Deprecated = v.role == cluster.DirectorRole
	return a
}

// scopeHost is RT_SCOPE_HOST. An interface without an address speaks from another's,
// lo's before all others, but never from one of scope host (net/ipv4/devinet.c,
// inet_select_addr): the VIP on lo is not to be that.
const scopeHost = 254

// VIPLabel is the label of a VIP on a link, "eth0:0". A label has at most 15
// characters (IFNAMSIZ); where it would have more there is none, which the kernel
// spells as the link's own name.
func VIPLabel(link string) string {
	if len(link)+len(":0") > 15 {
		return link
	}
	return link + ":0"
}

// compare returns what stands in the way of want, and whether want is there.
func (v *vipView) compare(want host.Address) (wrong []host.Address, there bool) {
	for _, a := range v.at[want.Prefix.Addr()] {
		if serves(a, want) {
			there = true
		} else {
			wrong = append(wrong, a)
		}
	}
	return wrong, there
}

// serves tells whether a is as good as want. Scope, broadcast and the like may
// differ: with "ifconfig eth0:0 10.10.10.22 netmask 255.255.255.255" they do.
func serves(a, want host.Address) bool {
	return a.Link == want.Link && a.Prefix == want.Prefix && a.Label == want.Label &&
		!a.Peer.IsValid() && a.Lifetime == 0 && !a.DADFailed && (a.Deprecated || !want.Deprecated)
}

// place returns the change that puts a VIP where it is wanted, in the place of
// what is wrong.
func (v *vipView) place(want host.Address, wrong []host.Address, remember func() error) Change {
	change := v.change(Present, Add, want.String(), func(ctx context.Context) error {
		if err := remember(); err != nil {
			return err
		}
		return swap(ctx, v.host.Links, wrong, []host.Address{want})
	})
	if len(wrong) > 0 {
		change.Op, change.Object = Set, want.Prefix.Addr().String()
		change.From, change.To = joinAddresses(v.at[want.Prefix.Addr()]), want.String()
	}
	if v.role == cluster.DirectorRole {
		v.announced(&change, want)
	}
	return change
}

// swap takes addresses away for others, so that an IP address that is in both is
// local all the time where the kernel lets it be: in IPv4 it can be there twice,
// with two masks or on two interfaces.
func swap(ctx context.Context, links host.Links, remove, add []host.Address) error {
	var last []host.Address
	for _, a := range remove {
		if !slices.ContainsFunc(add, func(b host.Address) bool { return clash(a, b) }) {
			last = append(last, a)
			continue
		}
		if err := links.RemoveAddress(ctx, a); err != nil {
			return fmt.Errorf("remove %s: %w", a, err)
		}
	}
	for _, a := range add {
		if err := links.AddAddress(ctx, a); err != nil {
			return fmt.Errorf("add %s: %w", a, err)
		}
	}
	for _, a := range slices.DeleteFunc(last, func(a host.Address) bool {
		return slices.ContainsFunc(add, func(b host.Address) bool { return inPlace(a, b) })
	}) {
		if err := links.RemoveAddress(ctx, a); err != nil {
			return fmt.Errorf("remove %s: %w", a, err)
		}
	}
	return nil
}

// clash tells that a must go before b can come: the kernel takes an IPv4 address
// once with the same mask on an interface (net/ipv4/devinet.c, __inet_insert_ifa),
// an IPv6 address only once (net/ipv6/addrconf.c, ipv6_add_addr), except that it
// changes in place.
func clash(a, b host.Address) bool {
	if a.Link != b.Link || a.Prefix.Addr() != b.Prefix.Addr() {
		return false
	}
	if a.Prefix.Addr().Is4() {
		return a.Prefix == b.Prefix
	}
	return !inPlace(a, b)
}

// inPlace tells that adding b turns a into b.
func inPlace(a, b host.Address) bool {
	return a.Prefix.Addr().Is6() && a.Link == b.Link && a.Prefix == b.Prefix &&
		a.Peer == b.Peer && !a.DADFailed
}

func joinAddresses(all []host.Address) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}
