package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Roles returns the names of the roles that the host has or had: those that left
// something to be given back.
func Roles(h *host.Host) ([]string, error) {
	var found []string
	for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
		trace, err := TraceOf(h, role)
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
// [host.Host.Runtime] only: by the drop-in, or by the ledger where somebody has taken
// that away.
func Lasting(h *host.Host, role string) (bool, error) {
	d, err := SysctlDropIn(h, role)
	if err != nil {
		return false, fmt.Errorf("lvsdr: %w", err)
	}
	if d.There {
		return true, nil
	}
	lines, err := LedgerOf(h, role).Read()
	if err != nil {
		return false, fmt.Errorf("lvsdr: %w", err)
	}
	_, lasting := lines[lastingKey]
	return lasting, nil
}

// VIPsOf returns the addresses of the host that a role of lvsdr has brought there or
// found there as wanted, as they are now.
func VIPsOf(ctx context.Context, h *host.Host) ([]host.Address, error) {
	ours := map[netip.Addr]bool{}
	for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
		lines, err := LedgerOf(h, role).Read()
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
	return slices.DeleteFunc(all, func(a host.Address) bool { return !ours[a.Prefix.Addr()] }), nil
}

// TraceOf returns a file that a role left on the host, empty when there is none.
func TraceOf(h *host.Host, role string) (string, error) {
	for _, name := range []string{LedgerOf(h, role).name, DropInFile(role)} {
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
