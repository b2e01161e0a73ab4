package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

var roleNames = []string{cluster.DirectorRole, cluster.RealServerRole}

// roleArgument is the role on the command line, empty when there is none. A client
// is a host that is only examined.
func roleArgument(c *cli.Command, known []string) (string, error) {
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
		e = usage("lvsdr %s client: a client has nothing to be set up", c.Name)
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

// findRole finds this host's role in the configuration.
func (s *session) findRole(ctx context.Context, src source) (string, error) {
	if s.sys.image != "" {
		return s.roleOfImage()
	}
	role, why, err := lvsdr.Find(ctx, s.sys.host(), src.Config)
	if errors.Is(err, lvsdr.ErrNoRole) {
		return "", &hintError{err, "name the role: lvsdr setup director, or lvsdr setup realserver"}
	}
	if errors.Is(err, lvsdr.ErrNotListed) {
		return "", &hintError{
			fmt.Errorf("%w (%s)", err, src.where()),
			"give the role back: lvsdr teardown; or list the host again under realServers or directors",
		}
	}
	if err == nil {
		s.note("role %s, by %s: %s", role, src.where(), why)
	}
	return role, err
}
