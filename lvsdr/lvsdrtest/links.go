package lvsdrtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// labelLimit is IFNAMSIZ less the byte that ends the name.
const labelLimit = 15

func (s *state) makeLink(l host.Link) {
	l.Index, l.Carrier = len(s.links)+1, true
	l.MTU = 1500
	if l.Loopback {
		l.MTU = 65536
	}
	s.links = append(s.links, l)
	s.makeLinkSysctls(l.Name)
}

// link returns the interface of that name, nil when there is none.
func (s *state) link(name string) *host.Link {
	for i := range s.links {
		if s.links[i].Name == name {
			return &s.links[i]
		}
	}
	return nil
}

func noLink(name string) error { return fmt.Errorf("interface %s: %w", name, fs.ErrNotExist) }

func (s links) Links(context.Context) ([]host.Link, error) {
	all := slices.Clone(s.links)
	for i := range all {
		all[i].MAC = slices.Clone(all[i].MAC)
		all[i].Carrier = all[i].Up && all[i].Carrier
	}
	return all, nil
}

// copyAddresses returns the addresses as the kernel dumps them: by interface, the
// primaries before the secondaries.
func (s *state) copyAddresses() []host.Address {
	var all []host.Address
	second := s.secondaries()
	for _, l := range s.links {
		for _, want := range []bool{false, true} {
			for i, a := range s.addresses {
				if a.Link == l.Name && second[i] == want {
					all = append(all, a)
				}
			}
		}
	}
	return all
}

// sameSubnet: IPv4 addresses of one interface with one subnet and mask, of which
// the first is the primary and the others live and die with it.
func sameSubnet(a, b host.Address) bool {
	return a.Link == b.Link && a.Prefix.Addr().Is4() && b.Prefix.Addr().Is4() &&
		a.Prefix.Masked() == b.Prefix.Masked()
}

// secondaries tells of each address whether it is one.
func (s *state) secondaries() []bool {
	all := make([]bool, len(s.addresses))
	type subnet struct {
		link   string
		prefix netip.Prefix
	}
	known := make(map[subnet]bool, len(s.addresses))
	for i, a := range s.addresses {
		if of := (subnet{a.Link, a.Prefix.Masked()}); a.Prefix.Addr().Is4() {
			all[i], known[of] = known[of], true
		}
	}
	return all
}

// setUp brings a link up or down. Coming up, a loopback interface gets its own
// addresses; going down, every interface loses its IPv6 ones (keep_addr_on_down).
func (s *state) setUp(name string, up bool) error {
	l := s.link(name)
	if l == nil {
		return noLink(name)
	}
	if l.Up == up {
		return nil
	}
	l.Up = up
	if !up {
		s.addresses = slices.DeleteFunc(s.addresses, func(a host.Address) bool {
			return a.Link == name && a.Prefix.Addr().Is6()
		})
		return nil
	}
	if !l.Loopback {
		return nil
	}
	for _, own := range []string{"127.0.0.1/8", "::1/128"} {
		p := netip.MustParsePrefix(own)
		if p.Addr().Is6() && s.sysctls["net/ipv6/conf/"+name+"/disable_ipv6"] != "0" {
			continue
		}
		if err := s.addAddress(host.Address{Prefix: p, Link: name, Scope: usualScope(p.Addr())}); err != nil {
			return err
		}
	}
	return nil
}

// addAddress adds an address with the kernel's limits (measured on 6.1): the same
// IPv4 address may be there again with another mask, not with another label; the
// same IPv6 address only on another interface.
func (s *state) addAddress(a host.Address) error {
	switch {
	case s.link(a.Link) == nil:
		return noLink(a.Link)
	case !a.Prefix.IsValid():
		return fmt.Errorf("address %s: %w", a.Prefix, syscall.EINVAL)
	case a.Prefix.Addr().Is6():
		return s.addAddress6(a)
	case a.Label == "":
		a.Label = a.Link
	case len(a.Label) > labelLimit:
		return fmt.Errorf("label %s is longer than %d characters: %w", a.Label, labelLimit, syscall.ERANGE)
	}
	a.NoDAD, a.DADFailed, a.Tentative = false, false, false
	for _, there := range s.addresses {
		if there.Link == a.Link && there.Prefix == a.Prefix && there.Peer == a.Peer {
			if there == a {
				return nil
			}
			return fmt.Errorf("%s: %w", addressText(there), syscall.EEXIST)
		}
	}
	s.addresses = append(s.addresses, a)
	return nil
}

func (s *state) addAddress6(a host.Address) error {
	a.Label, a.Broadcast, a.Scope = "", netip.Addr{}, usualScope(a.Prefix.Addr())
	if s.sysctls["net/ipv6/conf/"+a.Link+"/disable_ipv6"] != "0" {
		return fmt.Errorf("%s: IPv6 is disabled there: %w", addressText(a), syscall.EACCES)
	}
	for _, there := range s.addresses {
		if there.Link == a.Link && there.Prefix.Addr() == a.Prefix.Addr() {
			if there == a {
				return nil
			}
			return fmt.Errorf("%s: %w", addressText(there), syscall.EEXIST)
		}
	}
	s.addresses = append(s.addresses, a)
	return nil
}

// ensureAddress is what [host.Links] promises of AddAddress: an IPv4 address that
// is there already is no error, even with another label, which stays; an IPv6
// address that is there gets what else a says, except its prefix length, as from
// "ip addr replace" (measured on 6.1).
func (s *state) ensureAddress(a host.Address) error {
	a.DADFailed, a.Tentative = false, false
	err := s.addAddress(a)
	if !errors.Is(err, syscall.EEXIST) || a.Prefix.Addr().Is4() {
		if errors.Is(err, syscall.EEXIST) {
			return nil
		}
		return err
	}
	for i, there := range s.addresses {
		if there.Link == a.Link && there.Prefix.Addr() == a.Prefix.Addr() {
			a.Prefix, a.Label, a.Scope, a.Peer = there.Prefix, there.Label, there.Scope, there.Peer
			s.addresses[i] = a
		}
	}
	return nil
}

// removeAddress removes an address, found by prefix, interface and, where given,
// label. A primary takes its secondaries along, unless promote_secondaries is set
// for the interface or for all (__inet_del_ifa).
func (s *state) removeAddress(a host.Address) error {
	if s.link(a.Link) == nil {
		return noLink(a.Link)
	}
	at := slices.IndexFunc(s.addresses, func(there host.Address) bool {
		return there.Link == a.Link && there.Prefix == a.Prefix && (a.Label == "" || there.Label == a.Label || there.Label == "")
	})
	if at < 0 {
		return nil
	}
	alone := s.secondaries()[at] || s.promotes(a.Link)
	gone := s.addresses[at]
	s.addresses = slices.Delete(s.addresses, at, at+1)
	if !alone {
		s.addresses = slices.DeleteFunc(s.addresses, func(b host.Address) bool { return sameSubnet(gone, b) })
	}
	return nil
}

func (s *state) promotes(link string) bool {
	return s.sysctls["net/ipv4/conf/all/promote_secondaries"] != "0" ||
		s.sysctls["net/ipv4/conf/"+link+"/promote_secondaries"] != "0"
}

// Announce says nothing to anybody: the World has no LAN. It needs an interface
// that is up.
func (s links) Announce(_ context.Context, link string, addrs ...netip.Addr) error {
	l := s.link(link)
	switch {
	case l == nil:
		return noLink(link)
	case !l.Up:
		return fmt.Errorf("announce %v on %s: %w", addrs, link, syscall.ENETDOWN)
	}
	return nil
}
