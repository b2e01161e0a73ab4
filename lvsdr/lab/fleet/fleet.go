//go:build linux

// Package fleet makes machines with a real systemd on one LAN: each boots a Debian
// of its own (systemd-nspawn), with firewalld, ufw, NetworkManager, ifupdown, netplan
// and nginx, on the running kernel. So it is for what needs no IPVS where that kernel
// has none: real servers, clients, firewalls, network managers, units and reboots.
//
// The LAN is a bridge in a network namespace that belongs to the fleet; nothing of
// the machine's own network, files or systemd is touched. Everything lives inside one
// process-ID namespace and one mount namespace whose first process ends when this
// program does, however it ends: then the kernel ends the machines, and their
// mounts, interfaces and memory go with them.
//
// It takes root, and the programs that [Missing] asks for.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A Fleet is machines on one LAN. Its methods may be called from several goroutines.
type Fleet struct {
	tree   string // the Debian below every machine
	keeper *keeper
	guest  bool // see Uplink

	mu       sync.Mutex
	machines []*Machine
	clients  []*Client
}

// New makes a LAN without machines, over a tree that [Tree] has made. The caller
// closes it.
func New(ctx context.Context, tree string) (*Fleet, error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	tree, err := filepath.Abs(tree)
	if err != nil {
		return nil, err
	}
	k, err := newKeeper(ctx)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	return &Fleet{tree: tree, keeper: k}, nil
}

// Missing returns nil when this machine can run a fleet, or what it lacks.
func Missing() error {
	if os.Geteuid() != 0 {
		return errors.New("systemd-nspawn takes root")
	}
	for program, its := range map[string]string{
		"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "ip": "iproute2",
		"nsenter": "util-linux", "unshare": "util-linux",
	} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w (package %s)", err, its)
		}
	}
	return nil
}

// Add makes a machine, switched off, whose eth0 gets the address from the network
// manager of that kind. The name is its hostname and that of its port on the bridge:
// at most 13 bytes, once in a fleet.
func (f *Fleet) Add(ctx context.Context, name string, kind Network, address netip.Prefix) (*Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.free(name); err != nil {
		return nil, err
	}
	m := &Machine{Name: name, Address: address, MAC: f.nextMAC(), fleet: f}
	if err := m.make(ctx, kind); err != nil {
		return nil, fmt.Errorf("fleet: machine %s: %w", name, err)
	}
	f.machines = append(f.machines, m)
	return m, nil
}

// free tells whether the name may be a machine's.
func (f *Fleet) free(name string) error {
	taken := slices.ContainsFunc(f.machines, func(m *Machine) bool { return m.Name == name }) ||
		slices.ContainsFunc(f.clients, func(c *Client) bool { return c.Name == name })
	switch {
	case taken:
		return fmt.Errorf("fleet: %s is there already", name)
	case len(name) == 0 || len(name) > 13 || strings.ContainsAny(name, "/ ."):
		return fmt.Errorf("fleet: the name %q: 1 to 13 bytes, without slash, blank and dot", name)
	}
	return nil
}

// Close pulls every plug and removes everything. A fleet is closed once.
func (f *Fleet) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.keeper.close()
	for _, m := range f.machines {
		m.gone()
	}
	return err
}
