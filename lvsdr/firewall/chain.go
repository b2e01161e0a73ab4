package firewall

import (
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// traversed tells whether our packets pass the chain on a hook where it may drop
// them: before routing, on the way in, or on the way out. Chains of type nat see
// first packets only and are not for filtering. Those on the ingress of a device
// are left alone: what is dropped there is not meant to reach any service.
func traversed(c filter.Chain) bool {
	return !c.NAT && (c.Hook == filter.Prerouting || c.Hook == filter.Input || c.Hook == filter.Output)
}

// A place tells what lvsdr has in a chain, where its rules stand and where they
// belong.
type place struct {
	openings []host.Opening // sorted
	own      []int          // lvsdr's rules, by their indexes
	at       int            // the rule that they belong before; the number of rules: the end
	filters  bool           // the chain may drop a service's packets
	shadowed bool           // some of lvsdr's rules come after one that can drop
}

// placeIn reads the chain; openings reads a rule of lvsdr's.
func placeIn(c filter.Chain, openings func(filter.ChainRule) []host.Opening) place {
	var p place
	p.at, p.filters = c.Closes()
	if !p.filters {
		p.at = len(c.Rules)
	}
	for i, r := range c.Rules {
		if r.Comment != firewallMark {
			continue
		}
		own := openings(r)
		if len(own) == 0 {
			continue // somebody else's, by the look of it
		}
		p.own = append(p.own, i)
		p.openings = append(p.openings, own...)
		p.shadowed = p.shadowed || i > p.at
	}
	p.openings = host.SortOpenings(p.openings)
	return p
}

// is tells whether the chain has exactly these openings where they work.
func (p place) is(openings []host.Opening) bool {
	return slices.Equal(p.openings, openings) && !p.shadowed
}

// gate is the chain as package host knows it.
func (p place) gate(name string, c filter.Chain) host.Gate {
	g := host.Gate{Name: name, Filters: p.filters, Output: c.Hook == filter.Output, Openings: p.openings, Shadowed: p.shadowed}
	if c.Family != "inet" {
		g.Family = c.Family
	}
	return g
}
