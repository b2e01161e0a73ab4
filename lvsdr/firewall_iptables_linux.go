package lvsdr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// iptables is the packet filter of iptables(8), through its own commands, for
// only they can read what they wrote: the legacy variant, which has its tables in
// the kernel's x_tables, and the nft variant, which has them in nf_tables. Only
// the table filter is looked at, and only where it is in use: the commands make
// the kernel load what they are asked about.
type iptables struct {
	run func(ctx context.Context, input string, name string, args ...string) ([]byte, error)
}

// An iptablesChain is one gate of iptables.
type iptablesChain struct{ variant, family, name string }

func (c iptablesChain) String() string { return c.variant + " " + c.family + " " + c.name }

func (iptables) Name() string { return "iptables" }

func (x iptables) Gates(ctx context.Context) ([]Gate, error) {
	chains, err := x.inUse(ctx)
	if err != nil {
		return nil, err
	}
	var gates []Gate
	for _, c := range chains {
		rules, err := x.rules(ctx, c)
		if err != nil {
			return nil, err
		}
		place := rules.place(c.name)
		gates = append(gates, Gate{
			Name: c.String(), Family: c.family, Output: c.name == "OUTPUT",
			Filters: rules.canDrop(c.name), Openings: place.openings, Shadowed: place.shadowed,
		})
	}
	return gates, nil
}

// Set brings the chain from the openings it has to those wanted, all in one
// transaction: iptables-restore replaces the table at COMMIT.
func (x iptables) Set(ctx context.Context, gate string, openings []Opening) error {
	chains, err := x.inUse(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(chains, func(c iptablesChain) bool { return c.String() == gate })
	if i < 0 {
		return nil
	}
	c := chains[i]
	rules, err := x.rules(ctx, c)
	if err != nil {
		return err
	}
	script := rules.edit(c.name, sortOpenings(slices.Clone(openings)))
	if script == "" {
		return nil
	}
	_, err = x.run(ctx, script, x.commandFor(c.variant, c.family)+"-restore", "-w", "10", "--noflush")
	return err
}

// inUse lists the chains whose table the kernel has.
func (x iptables) inUse(ctx context.Context) ([]iptablesChain, error) {
	var chains []iptablesChain
	for _, family := range []string{"ip", "ip6"} {
		used, err := legacyFilter(family)
		if err != nil {
			return nil, err
		}
		if used {
			chains = append(chains, iptablesChain{"legacy", family, "INPUT"}, iptablesChain{"legacy", family, "OUTPUT"})
		}
	}
	for _, c := range chains {
		if x.commandFor(c.variant, c.family) == "" {
			return nil, fmt.Errorf("this kernel filters with iptables, but there is no %stables-legacy command: install the package iptables: %w",
				c.family, fs.ErrNotExist)
		}
	}
	nft, err := x.inNftables(ctx)
	return append(chains, nft...), err
}

// inNftables lists the chains that iptables keeps in nf_tables.
func (x iptables) inNftables(ctx context.Context) ([]iptablesChain, error) {
	var chains []iptablesChain
	err := readNft(ctx, func(v *nftView) error {
		chains = nil
		for _, c := range v.base {
			managed, err := nftFirewall{x.commandFor}.managed(v, c)
			if err != nil {
				return err
			}
			if managed {
				chains = append(chains, iptablesChain{"nft", c.table.familyName(), c.name})
			}
		}
		return nil
	})
	slices.SortFunc(chains, func(a, b iptablesChain) int { return strings.Compare(a.String(), b.String()) })
	return chains, err
}

// legacyFilter tells whether the kernel has the legacy table filter in this
// network namespace. It does not come into being by being asked about here.
func legacyFilter(family string) (bool, error) {
	// A locked thread may be in another namespace than the process.
	names, err := os.ReadFile("/proc/thread-self/net/" + family + "_tables_names")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.Contains(strings.Fields(string(names)), "filter"), err
}

// commandFor names the command for a variant and family, empty when the host has
// none. Not every distribution has the names with a suffix: without, the command
// tells its variant as "iptables v1.8.9 (nf_tables)", older ones as nothing.
func (x iptables) commandFor(variant, family string) string {
	base := family + "tables"
	if lookTool(base+"-"+variant) != "" {
		return base + "-" + variant
	}
	if lookTool(base) == "" {
		return ""
	}
	version, err := x.run(context.Background(), "", base, "-V")
	if err != nil || bytes.Contains(version, []byte("(nf_tables)")) != (variant == "nft") {
		return ""
	}
	return base
}

func (x iptables) rules(ctx context.Context, c iptablesChain) (iptablesRules, error) {
	out, err := x.run(ctx, "", x.commandFor(c.variant, c.family), "-w", "10", "-t", "filter", "-S")
	if err != nil {
		return iptablesRules{}, err
	}
	return parseIptables(string(out)), nil
}

// lookTool returns the path of a system tool, also when PATH lacks the system's
// own folders, empty when there is none.
func lookTool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// runTool runs a system tool in the namespaces of the calling thread. An error
// carries what the tool had to say.
func runTool(ctx context.Context, input string, name string, args ...string) ([]byte, error) {
	path := lookTool(name)
	if path == "" {
		return nil, fmt.Errorf("%s: %w", name, exec.ErrNotFound)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}
