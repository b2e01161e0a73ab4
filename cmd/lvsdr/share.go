package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// shareOf is what of the description is a real server's on this host: the services
// that list one of its addresses. A description that lists no real server, or was
// given by hand as flags, is for every host that somebody names a real server.
func (s *session) shareOf(ctx context.Context, src *source) (cluster.Config, error) {
	if s.sys.image != "" && len(src.addresses) == 0 { // it finds itself when it boots
		return src.Config, nil
	}
	own, err := s.ownAddresses(ctx)
	if err != nil {
		return cluster.Config{}, err
	}
	src.listed = src.Listed(src.addresses)
	if len(src.listed) == 0 {
		src.listed = src.Listed(own)
	}
	if len(src.listed) == 0 {
		former, err := src.formerAddresses()
		if err != nil {
			return cluster.Config{}, err
		}
		src.listed = src.Listed(former)
	}
	switch {
	case len(src.listed) > 0:
		return src.For(src.listed), nil
	case src.file == "" || len(src.RIPs()) == 0:
		return src.Config, nil
	}
	return cluster.Config{}, s.notListed(src, own)
}

// ownAddresses are those of this host that other hosts may know it by.
func (s *session) ownAddresses(ctx context.Context) ([]netip.Addr, error) {
	if s.sys.image != "" {
		return nil, nil
	}
	all, err := s.sys.host().Links.Addresses(ctx)
	var own []netip.Addr
	for _, a := range all {
		if addr := a.Prefix.Addr(); !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !slices.Contains(own, addr) {
			own = append(own, addr)
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	return own, err
}

// errNotListed: this host is no real server of the description.
var errNotListed = errors.New("no service")

// notListed is for a host that is no real server of the description, or not any more.
func (s *session) notListed(src *source, own []netip.Addr) error {
	roles, err := step.Roles(s.sys.host())
	if err != nil {
		return err
	}
	vips := src.VIPs()
	if s.sys.image != "" {
		own = src.addresses
	}
	own = slices.DeleteFunc(own, func(a netip.Addr) bool { return slices.Contains(vips, a) })
	if slices.Contains(roles, cluster.RealServerRole) {
		return &hintError{
			fmt.Errorf("this host is set up as a real server, but %w in %s lists an address of it (%s) any more",
				errNotListed, src.where(), joinAddrs(own)),
			"give the role back: lvsdr teardown realserver; or list the host again under realServers",
		}
	}
	return &hintError{
		fmt.Errorf("%w in %s lists an address of this host (%s)", errNotListed, src.where(), joinAddrs(own)),
		"list it under realServers; or say by flags what it is to serve: lvsdr setup realserver --vip ADDR",
	}
}

// interfacesThere fails when this host has not got the interfaces that were named for it:
// a real server has no step that would before the first change. At boot (--runtime) they
// may come later.
func (s *session) interfacesThere(ctx context.Context, p *patient, role string) error {
	if s.sys.image != "" || s.sys.host().Runtime {
		return nil
	}
	if err := s.interfaceThere(ctx, p.link, "--interface"); err != nil || role != cluster.RealServerRole {
		return err
	}
	for _, name := range p.src.ARPInterfaces {
		if err := s.interfaceThere(ctx, name, "--arp-interface"); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) interfaceThere(ctx context.Context, name, flag string) error {
	links, err := s.sys.host().Links.Links(ctx)
	if name == "" || err != nil || slices.ContainsFunc(links, func(l host.Link) bool { return l.Name == name }) {
		return err
	}
	var names []string
	for _, l := range links {
		if !l.Loopback {
			names = append(names, l.Name)
		}
	}
	return &hintError{
		fmt.Errorf("there is no interface %s: this host has %s", name, cmp.Or(strings.Join(names, ", "), "none but loopback")),
		"name one of them with " + flag + ", or leave it out",
	}
}

// joinAddrs lists addresses, "none" where there are none.
func joinAddrs(all []netip.Addr) string {
	if len(all) == 0 {
		return "none"
	}
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}
