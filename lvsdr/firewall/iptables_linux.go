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
// tables in use are looked at: the commands make the kernel load what they are
// asked about.
type iptables struct {
	run func(ctx context.Context, input string, name string, args ...string) ([]byte, error)
}

func (iptables) Name() string { return iptablesName }

// Gates lists the built-in chains of the legacy variant, and then the others, each
// by name.
func (iptables) Gates(ctx context.Context) ([]host.Gate, error) {
	chains, err := iptablesChains(ctx)
	if err != nil {
		return nil, err
	}
	var gates []host.Gate
	for _, c := range chains {
		g := placeIn(c, iptablesOpenings).gate(iptablesGate(c), c)
		g.Keeper = keeperOf(c)
		gates = append(gates, g)
	}
	slices.SortFunc(gates, func(a, b host.Gate) int { return strings.Compare(a.Name, b.Name) })
	return gates, nil
}

// Set brings the chain from the openings it has to those wanted, all in one
// transaction: iptables-restore replaces the table at COMMIT.
func (x iptables) Set(ctx context.Context, gate string, openings []host.Opening) error {
	chains, err := iptablesChains(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(chains, func(c filter.Chain) bool { return iptablesGate(c) == gate })
	if i < 0 {
		return nil
	}
	script := iptablesEdit(chains[i], host.SortOpenings(slices.Clone(openings)))
	if script == "" {
		return nil
	}
	_, err = x.run(ctx, script, chains[i].Tool+"-restore", "-w", "10", "--noflush")
	return err
}

// iptablesChains are the built-in chains that our packets pass, of both variants.
func iptablesChains(ctx context.Context) ([]filter.Chain, error) {
	rules, err := filter.Load(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rules.Chains(), func(c filter.Chain) bool {
		return c.Tool == filter.ByNftables || !traversed(c)
	}), nil
}
