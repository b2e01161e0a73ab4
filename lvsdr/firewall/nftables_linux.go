package firewall

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// nftFirewall is nftables (nft(8)). Accepting a packet in a table of one's own
// opens nothing that another table drops, because every base chain on a hook is
// traversed; so each foreign base chain that can drop gets lvsdr's rule, before
// the first of its rules that can. What is loaded is read and judged by package
// filter; the library nftables only writes.
type nftFirewall struct{}

// The table of lvsdr's own, and its one chain.
const (
	nftOwnTable = "lvsdr"
	nftTracking = "prerouting"
)

func (nftFirewall) Name() string { return nftablesName }

// Gates lists the base chains by name, and last lvsdr's own one, which is wanted as
// soon as anything filters.
func (nftFirewall) Gates(ctx context.Context) ([]host.Gate, error) {
	rules, err := filter.LoadNftables(ctx)
	if err != nil {
		return nil, err
	}
	var gates []host.Gate
	tracking := host.Gate{Name: nftName(ownTracking), Untracked: true}
	var services, tooBig bool // may be dropped somewhere
	for _, c := range rules.Chains() {
		switch p := placeIn(c, nftOpenings); {
		case isOwn(c):
			tracking.Openings = p.openings
		case !traversed(c):
		default:
			services, tooBig = services || p.services.filters, tooBig || p.tooBig.filters
			// Rules of ours would be unreadable to iptables: its chains are left to it.
			if c.Tool == filter.ByNftables {
				gates = append(gates, nftGate(c, p))
			}
		}
	}
	slices.SortFunc(gates, func(a, b host.Gate) int { return strings.Compare(a.Name, b.Name) })
	tracking.Filters, tracking.Admits = filters(services, tooBig)
	if tracking.Filters || len(tracking.Openings) > 0 {
		gates = append(gates, tracking)
	}
	return gates, nil
}

var ownTracking = filter.Chain{Tool: filter.ByNftables, Family: "inet", Table: nftOwnTable, Name: nftTracking}

func isOwn(c filter.Chain) bool { return nftName(c) == nftName(ownTracking) }

// nftName is the chain in nft's words: "inet filter input".
func nftName(c filter.Chain) string { return c.Family + " " + c.Table + " " + c.Name }

func nftGate(c filter.Chain, p place) host.Gate {
	g := p.gate(nftName(c), c)
	g.Keeper = keeperOf(c)
	if c.Owned {
		g.Owner = fmt.Sprintf("the process that made the table %s %s (flag owner)", c.Family, c.Table)
	}
	return g
}

// Set replaces lvsdr's rules in the chain in one transaction.
func (nftFirewall) Set(ctx context.Context, gate string, openings []host.Opening) error {
	openings = host.SortOpenings(slices.Clone(openings))
	return filter.Nftables(ctx, func() error {
		rules, err := filter.LoadNftables(ctx)
		if err != nil {
			return err
		}
		return nftSet(rules.Chains(), gate, openings)
	})
}

func nftSet(chains []filter.Chain, gate string, openings []host.Opening) error {
	i := slices.IndexFunc(chains, func(c filter.Chain) bool { return c.Tool == filter.ByNftables && nftName(c) == gate })
	if gate == nftName(ownTracking) {
		if i < 0 {
			return setTracking(ownTracking, openings)
		}
		return setTracking(chains[i], openings)
	}
	if i < 0 {
		return nil
	}
	if err := setChain(chains[i], openings); err != nil {
		return fmt.Errorf("%s: %w", gate, err)
	}
	return nil
}

// setChain inserts the new rules before the first that can drop, and takes the
// old ones away.
func setChain(c filter.Chain, openings []host.Opening) error {
	p := placeIn(c, nftOpenings)
	if p.is(openings) {
		return nil
	}
	return nftTransaction(c, func(edit *nftEdit) error {
		edit.before = func(o host.Opening) uint64 {
			if at := p.door(o).at; at < c.Len() {
				return c.Rule(at).Handle()
			}
			return 0
		}
		if err := edit.add(openings, nftAccept); err != nil {
			return err
		}
		return edit.remove(p.own)
	})
}

// notrackPriority is the last before connection tracking (NF_IP_PRI_CONNTRACK): the
// rules of others before it meet the packets as they would without lvsdr's.
const notrackPriority = -200 - 1

// setTracking makes the table of lvsdr's own with the first opening and removes
// it with the last. c is its chain, without rules when there is none.
func setTracking(c filter.Chain, openings []host.Opening) error {
	p := place{}
	if c.Len() > 0 {
		p = placeIn(c, nftOpenings)
	}
	if slices.Equal(p.openings, openings) && len(openings) > 0 {
		return nil
	}
	return nftTransaction(c, func(edit *nftEdit) error {
		// To remove what is not there is refused; to add what is there is not.
		edit.conn.AddTable(edit.table)
		if len(openings) == 0 {
			edit.conn.DelTable(edit.table)
			return nil
		}
		policy := nftables.ChainPolicyAccept
		priority := nftables.ChainPriority(notrackPriority)
		edit.conn.AddChain(&nftables.Chain{
			Table: edit.table, Name: c.Name, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: &priority, Policy: &policy,
		})
		if err := edit.add(openings, nftNotrack); err != nil {
			return err
		}
		return edit.remove(p.own)
	})
}
