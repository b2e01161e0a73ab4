package firewall

import (
	"context"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// iptables is the packet filter of iptables(8), through its own commands, for
// only they can read what they wrote: the legacy variant, which has its tables in
// the kernel's x_tables, and the nft variant, which has them in nf_tables. Only
// the table filter is looked at, and only where it is in use: the commands make
// the kernel load what they are asked about.
type iptables struct {
	run func(ctx context.Context, input string, name string, args ...string) ([]byte, error)
}

func (iptables) Name() string { return "iptables" }

func (x iptables) Gates(ctx context.Context) ([]host.Gate, error) {
	chains, err := x.inUse(ctx)
	if err != nil {
		return nil, err
	}
	var gates []host.Gate
	for _, c := range chains {
		rules, err := x.rules(ctx, c)
		if err != nil {
			return nil, err
		}
		place := rules.place(c.name)
		gates = append(gates, host.Gate{
			Name: c.String(), Family: c.family, Output: c.name == "OUTPUT",
			Filters: rules.canDrop(c.name), Openings: place.openings, Shadowed: place.shadowed,
		})
	}
	return gates, nil
}

// Set brings the chain from the openings it has to those wanted, all in one
// transaction: iptables-restore replaces the table at COMMIT.
func (x iptables) Set(ctx context.Context, gate string, openings []host.Opening) error {
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
	script := rules.edit(c.name, host.SortOpenings(slices.Clone(openings)))
	if script == "" {
		return nil
	}
	_, err = x.run(ctx, script, filter.IptablesCommand(c.variant, c.family)+"-restore", "-w", "10", "--noflush")
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
			chains = append(chains, iptablesChain{"legacy", family, "filter", "INPUT"}, iptablesChain{"legacy", family, "filter", "OUTPUT"})
		}
	}
	for _, c := range chains {
		if filter.IptablesCommand(c.variant, c.family) == "" {
			return nil, filter.NoCommand(c.family)
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
			managed, err := nftFirewall{filter.IptablesCommand}.managed(v, c)
			if err != nil {
				return err
			}
			if managed {
				chains = append(chains, iptablesChain{"nft", c.table.familyName(), "filter", c.name})
			}
		}
		return nil
	})
	slices.SortFunc(chains, func(a, b iptablesChain) int { return strings.Compare(a.String(), b.String()) })
	return chains, err
}

// legacyFilter tells whether the kernel has the legacy table filter in this
// network namespace.
func legacyFilter(family string) (bool, error) {
	names, err := filter.LegacyTables(family)
	return slices.Contains(names, "filter"), err
}

func (x iptables) rules(ctx context.Context, c iptablesChain) (iptablesRules, error) {
	out, err := x.run(ctx, "", filter.IptablesCommand(c.variant, c.family), "-w", "10", "-t", "filter", "-S")
	if err != nil {
		return iptablesRules{}, err
	}
	return parseIptables(string(out)), nil
}
