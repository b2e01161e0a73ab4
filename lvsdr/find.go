package lvsdr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// ErrNoRole: the cluster's description does not tell what this host is to be.
var ErrNoRole = errors.New("this host's role cannot be found")

// Find finds the role that c has for this host, and says why: a host with a real
// server's address is one; one without can be the director only when it is on one LAN
// with all of them, as direct routing needs. It fails with [ErrNoRole].
func Find(ctx context.Context, h *host.Host, c cluster.Config) (role, why string, err error) {
	addresses, err := h.Links.Addresses(ctx)
	if err != nil {
		return "", "", fmt.Errorf("lvsdr: %w", err)
	}
	rips := c.RIPs()
	for _, a := range addresses {
		if slices.Contains(rips, a.Prefix.Addr()) {
			return cluster.RealServerRole, fmt.Sprintf("this host has %s, a real server's address", a.Prefix.Addr()), nil
		}
	}
	if len(rips) == 0 {
		return "", "", fmt.Errorf("no real server is listed: %w", ErrNoRole)
	}
	for _, rip := range rips {
		if err := onLAN(ctx, h, rip); err != nil {
			return "", "", err
		}
	}
	return cluster.DirectorRole, "this host has no real server's address and is on their LAN", nil
}

// onLAN fails with ErrNoRole when addr is not on a LAN of the host.
func onLAN(ctx context.Context, h *host.Host, addr netip.Addr) error {
	route, err := h.Routes.To(ctx, addr)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("this host is no real server and has no route to the real server %s: %w", addr, ErrNoRole)
	case err != nil:
		return fmt.Errorf("lvsdr: %w", err)
	case route.Gateway.IsValid():
		return fmt.Errorf("this host is no real server and not on their LAN, %s is behind the gateway %s: %w", addr, route.Gateway, ErrNoRole)
	}
	return nil
}

// Former is the role of that name for [Role.Down] alone. What it did is found by its
// marks and in the ledger: c need not be valid and may be empty. Where the ledger is
// lost, the VIPs and ports of c tell what was the role's.
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
