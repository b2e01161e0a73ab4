package lvsdr

import (
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

// [Find] fails with one of these.
var (
	ErrNoRole    = errors.New("this host's role cannot be found")
	ErrNotListed = errors.New("the host is not listed any more")
)

// Find finds the role that c has for this host, and says why: a host with a real
// server's address is one, a host with a director's address is a director. Where c lists
// no directors, a host that is set up as one stays it; nothing else makes a host a
// director.
func Find(ctx context.Context, h *host.Host, c cluster.Config) (role, why string, err error) {
	all, err := h.Links.Addresses(ctx)
	if err != nil {
		return "", "", fmt.Errorf("lvsdr: %w", err)
	}
	addresses := make([]netip.Addr, len(all))
	for i, a := range all {
		addresses[i] = a.Prefix.Addr()
	}
	if rips := c.Listed(addresses); len(rips) > 0 {
		return cluster.RealServerRole, fmt.Sprintf("this host has %s, a real server's address", rips[0]), nil
	}
	if c.ListsDirector(addresses) {
		return cluster.DirectorRole, "this host has a director's address", nil
	}
	roles, err := step.Roles(h)
	if err != nil {
		return "", "", err
	}
	switch {
	case slices.Contains(roles, cluster.DirectorRole) && len(c.Directors) == 0:
		return cluster.DirectorRole, "this host is set up as one", nil
	case len(roles) > 0:
		return "", "", fmt.Errorf("this host is set up as a %s: %w, none of its addresses is there", roles[0], ErrNotListed)
	case len(c.Directors) == 0:
		return "", "", fmt.Errorf("this host has no real server's address, and no directors are listed: %w", ErrNoRole)
	}
	return "", "", fmt.Errorf("this host has neither a real server's nor a director's address: %w", ErrNoRole)
}

// Former is the role of that name for [Role.Down] alone, which goes by marks and the
// ledger, and by c where that is lost: c may be invalid or empty.
func Former(name string, c cluster.Config) (Role, error) {
	switch name {
	case cluster.DirectorRole:
		return director(c), nil
	case cluster.RealServerRole:
		return realServer(c), nil
	}
	return Role{}, fmt.Errorf("lvsdr: there is no role %q: %s or %s", name, cluster.DirectorRole, cluster.RealServerRole)
}

// claim fails with [step.ErrOtherRole] when a host that is to be a director is a real
// server already, or the other way round: a director that is its own real server is
// not supported, and the two roles' sysctls and addresses contradict each other.
// Roles of an importer's own stand beside them.
func claim(h *host.Host, role string, want step.State) error {
	if strings.ContainsAny(role, "/\n") || strings.HasPrefix(role, ".") || role == "lock" {
		return fmt.Errorf("lvsdr: %q is no name for a role: it is to be the name of a file in /run/lvsdr, beside \"lock\"", role)
	}
	if want == step.Absent || role != cluster.DirectorRole && role != cluster.RealServerRole {
		return nil
	}
	roles, err := step.Roles(h)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(roles, func(other string) bool { return other != role })
	if i < 0 {
		return nil
	}
	trace, err := step.TraceOf(h, roles[i])
	if err != nil {
		return err
	}
	return fmt.Errorf("lvsdr: %w: %s of a %s", step.ErrOtherRole, trace, roles[i])
}
