package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

var roleNames = []string{cluster.DirectorRole, cluster.RealServerRole}

// roleArgument is the role on the command line, empty when there is none. A client
// is a host that is only examined.
func roleArgument(c *cli.Context, known []string) (string, error) {
	if c.NArg() > 1 {
		return "", usage("unexpected argument %q: one role a command", c.Args().Get(1))
	}
	word := c.Args().First()
	if word == "" || slices.Contains(known, word) {
		return word, nil
	}
	e := usage("unknown role %q: %s", word, oneOf(known))
	if near := nearest(word, known); near != "" {
		e.hint = "did you mean " + near + "?"
	}
	if word == cluster.ClientRole {
		e = usage("lvsdr %s client: a client has nothing to be set up", c.Command.Name)
		e.hint = "it can be examined: lvsdr doctor client"
	}
	return "", e
}

// oneOf lists words as "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// makeRole makes the role with that name; its steps tell what is wrong with the
// configuration before anything is touched. A real server gets its share of it.
func (s *session) makeRole(ctx context.Context, name string, src *source) (lvsdr.Role, error) {
	build := map[string]func(cluster.Config) (lvsdr.Role, error){
		cluster.DirectorRole: lvsdr.Director, cluster.RealServerRole: lvsdr.RealServer, cluster.ClientRole: lvsdr.Client,
	}
	role, err := build[name](src.Config)
	if err != nil || name != cluster.RealServerRole {
		return role, src.tell(err)
	}
	share, err := s.shareOf(ctx, src)
	if err != nil {
		return role, err
	}
	return lvsdr.RealServer(share)
}

// findRole finds this host's role in the configuration, which names the real
// servers but not the director. A host with a real server's address is one. A
// host without can be the director only when it is on one LAN with all of them:
// direct routing needs that; a router away it can only be a stranger.
func (s *session) findRole(ctx context.Context, src source) (string, error) {
	addresses, err := s.sys.host.Links.Addresses(ctx)
	if err != nil {
		return "", err
	}
	servers := realServers(src.Config)
	for _, a := range addresses {
		if slices.Contains(servers, a.Prefix.Addr()) {
			s.note("this host has %s, a real server's address in %s: role realserver", a.Prefix.Addr(), src.where())
			return cluster.RealServerRole, nil
		}
	}
	if len(servers) == 0 {
		return "", nameTheRole("no real server is listed in " + src.where() + ", so this host's role cannot be found")
	}
	for _, addr := range servers {
		if why, err := s.notOnLAN(ctx, addr); err != nil {
			return "", err
		} else if why != "" {
			return "", nameTheRole(why + ": this host is neither a real server nor on their LAN")
		}
	}
	s.note("this host has no real server's address of %s and is on their LAN: role director", src.where())
	return cluster.DirectorRole, nil
}

// notOnLAN tells why addr is not on a LAN of this host, empty when it is.
func (s *session) notOnLAN(ctx context.Context, addr netip.Addr) (string, error) {
	route, err := s.sys.host.Routes.To(ctx, addr)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("there is no route to the real server %s", addr), nil
	case err != nil:
		return "", err
	case route.Gateway.IsValid():
		return fmt.Sprintf("the real server %s is behind the gateway %s", addr, route.Gateway), nil
	}
	return "", nil
}

// realServers lists every real server, in the order of the configuration.
func realServers(c cluster.Config) []netip.Addr {
	var all []netip.Addr
	for _, service := range c.Services {
		for _, server := range service.RealServers {
			all = append(all, server.Address)
		}
	}
	return all
}

func nameTheRole(why string) error {
	return &hintError{errors.New(why), "name the role: lvsdr setup director, or lvsdr setup realserver"}
}
