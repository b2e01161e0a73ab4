package firewall

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// nftFirewall is nftables (nft(8)). Accepting a packet in a table of one's own
// opens nothing that another table drops, because every base chain on a hook is
// traversed; so each foreign base chain that can drop gets lvsdr's rule, before
// the first of its rules that can.
type nftFirewall struct {
	// iptables names the command that manages the family's iptables chains
	// inside nf_tables, empty when the host has none. Rules of ours would be
	// unreadable to it, so such chains are left to [iptables].
	iptables func(variant, family string) string
}

// The table of lvsdr's own, and its one chain.
var (
	nftOwnTable = nftTable{nftables.TableFamilyINet, "lvsdr"}
	nftTracking = nftChain{nftOwnTable, "prerouting"}
)

func (nftFirewall) Name() string { return "nftables" }

func (n nftFirewall) Gates(ctx context.Context) ([]host.Gate, error) {
	var gates []host.Gate
	err := readNft(ctx, func(v *nftView) (err error) {
		gates, err = n.gates(v)
		return err
	})
	return gates, err
}

// gates lists the base chains by name, and last lvsdr's own one, which is wanted
// as soon as anything filters.
func (n nftFirewall) gates(v *nftView) ([]host.Gate, error) {
	var gates []host.Gate
	tracking := host.Gate{Name: nftTracking.String(), Untracked: true}
	for _, c := range v.base {
		drops, err := v.canDrop(c)
		if err != nil {
			return nil, err
		}
		tracking.Filters = tracking.Filters || drops
		if managed, err := n.managed(v, c); err != nil || managed {
			if err != nil {
				return nil, err
			}
			continue
		}
		g, err := v.gate(c, drops)
		if err != nil {
			return nil, err
		}
		gates = append(gates, g)
	}
	slices.SortFunc(gates, func(a, b host.Gate) int { return strings.Compare(a.Name, b.Name) })
	var err error
	if tracking.Openings, _, err = v.own(nftTracking); err != nil {
		return nil, err
	}
	if tracking.Filters || len(tracking.Openings) > 0 {
		gates = append(gates, tracking)
	}
	return gates, nil
}

// managed tells whether the chain is iptables': by its name, by a command being
// there to change it, and by nothing in it that iptables would not have written.
func (n nftFirewall) managed(v *nftView, c nftChain) (bool, error) {
	if !c.iptablesName() || n.iptables("nft", c.table.familyName()) == "" {
		return false, nil
	}
	return v.writtenByIptables(c)
}

// Set replaces lvsdr's rules in the chain in one transaction.
func (n nftFirewall) Set(ctx context.Context, gate string, openings []host.Opening) error {
	openings = host.SortOpenings(slices.Clone(openings))
	return readNft(ctx, func(v *nftView) error { return n.set(v, gate, openings) })
}

func (n nftFirewall) set(v *nftView, gate string, openings []host.Opening) error {
	if gate == nftTracking.String() {
		return v.setTracking(openings)
	}
	i := slices.IndexFunc(v.base, func(c nftChain) bool { return c.String() == gate })
	if i < 0 {
		return nil
	}
	if err := v.setChain(v.base[i], openings); err != nil {
		return fmt.Errorf("%s: %w", gate, err)
	}
	return nil
}

// setChain inserts the new rules before the first that can drop, and takes the
// old ones away.
func (v *nftView) setChain(c nftChain, openings []host.Opening) error {
	has, place, err := v.own(c)
	if err != nil {
		return err
	}
	if slices.Equal(has, openings) && !place.shadowed {
		return nil
	}
	edit := nftEdit{conn: v.conn, chain: c, before: place.before}
	if err := edit.add(openings, nftAccept); err != nil {
		return err
	}
	return edit.replace(place.handles)
}

// setTracking makes the table of lvsdr's own with the first opening and removes
// it with the last.
func (v *nftView) setTracking(openings []host.Opening) error {
	has, place, err := v.own(nftTracking)
	_, made := v.tables[nftOwnTable]
	if err != nil || slices.Equal(has, openings) && made == (len(openings) > 0) {
		return err
	}
	if len(openings) == 0 {
		v.conn.DelTable(nftOwnTable.raw())
		return v.conn.Flush()
	}
	policy := nftables.ChainPolicyAccept
	v.conn.AddTable(nftOwnTable.raw())
	v.conn.AddChain(&nftables.Chain{
		Table: nftOwnTable.raw(), Name: nftTracking.name, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw, Policy: &policy,
	})
	edit := nftEdit{conn: v.conn, chain: nftTracking}
	if err := edit.add(openings, nftNotrack); err != nil {
		return err
	}
	return edit.replace(place.handles)
}
