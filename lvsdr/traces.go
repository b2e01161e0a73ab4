package lvsdr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
)

// Former is the role of that name for [Role.Down] alone: to be given back. What
// it did is found by its marks and in the ledger, so c need not be valid and may
// be empty. Where the ledger is lost, the VIPs and ports of c tell what was the
// role's.
func Former(name string, c Config) (Role, error) {
	switch name {
	case DirectorRole:
		return director(c), nil
	case RealServerRole:
		return realServer(c), nil
	}
	return Role{}, fmt.Errorf("lvsdr: there is no role %q: %s or %s", name, DirectorRole, RealServerRole)
}

// Roles returns the names of the roles that the host has or had: those that left
// something to be given back.
func (h *Host) Roles() ([]string, error) {
	var found []string
	for _, role := range []string{DirectorRole, RealServerRole} {
		trace, err := h.trace(role)
		if err != nil {
			return nil, err
		}
		if trace != "" {
			found = append(found, role)
		}
	}
	return found, nil
}

// Lasting tells whether the role was set up to come back after a reboot, not with
// [Host.Runtime] only.
func (h *Host) Lasting(role string) (bool, error) {
	_, err := h.Files.ReadFile(sysctlDropIn(role))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lvsdr: %w", err)
	}
	return true, nil
}

// VIPs returns the addresses of the host that a role has brought there, as they
// are now.
func (h *Host) VIPs(ctx context.Context) ([]Address, error) {
	ours := map[netip.Addr]bool{}
	for _, role := range []string{DirectorRole, RealServerRole} {
		lines, err := h.ledger(role).read()
		if err != nil {
			return nil, fmt.Errorf("lvsdr: %w", err)
		}
		for _, vip := range rememberedVIPs(lines) {
			ours[vip] = true
		}
	}
	all, err := h.Links.Addresses(ctx)
	if err != nil {
		return nil, fmt.Errorf("lvsdr: %w", err)
	}
	return slices.DeleteFunc(all, func(a Address) bool { return !ours[a.Prefix.Addr()] }), nil
}

// trace returns a file that a role left on the host, empty when there is none.
func (h *Host) trace(role string) (string, error) {
	for _, name := range []string{h.ledger(role).name, sysctlDropIn(role)} {
		_, err := h.Files.ReadFile(name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("lvsdr: %w", err)
		}
	}
	return "", nil
}

// claim fails with [ErrOtherRole] when a host that is to get the role already has
// another one: a director that is its own real server is not supported, and the
// two roles' sysctls and addresses contradict each other.
func (h *Host) claim(role string, want State) error {
	if want == Absent {
		return nil
	}
	roles, err := h.Roles()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(roles, func(other string) bool { return other != role })
	if i < 0 {
		return nil
	}
	trace, err := h.trace(roles[i])
	if err != nil {
		return err
	}
	return fmt.Errorf("lvsdr: %w: %s of a %s", ErrOtherRole, trace, roles[i])
}
