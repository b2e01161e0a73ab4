package firewall

import (
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
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
	services door           // for the services' packets
	tooBig   door           // for what routers say of the size of packets
	shadowed bool           // some of lvsdr's rules come after one that can drop
}

// A door is where lvsdr's rules of one kind belong.
type door struct {
	at      int  // the rule that they belong before; the number of rules: the end
	filters bool // the chain may drop such packets
}

func newDoor(c filter.Chain, closes func() (int, bool)) door {
	if at, filters := closes(); filters {
		return door{at, true}
	}
	return door{at: c.Len()}
}

// door is that of the opening.
func (p place) door(o host.Opening) door {
	if o.IsTooBig() {
		return p.tooBig
	}
	return p.services
}

// placeIn reads the chain; openings reads a rule of lvsdr's.
func placeIn(c filter.Chain, openings func(filter.ChainRule) []host.Opening) place {
	p := place{services: newDoor(c, c.Closes), tooBig: newDoor(c, c.ClosesToTooBig)}
	for i, r := range c.Rules() {
		if r.Comment() != firewallMark {
			continue
		}
		own := openings(r)
		if len(own) == 0 {
			continue // somebody else's, by the look of it
		}
		p.own = append(p.own, i)
		p.openings = append(p.openings, own...)
		p.shadowed = p.shadowed || i > p.door(own[0]).at
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
	g := host.Gate{Name: name, Output: c.Hook == filter.Output, Openings: p.openings, Shadowed: p.shadowed}
	g.Filters, g.Admits = filters(p.services.filters, p.tooBig.filters)
	if c.Family != "inet" {
		g.Family = c.Family
	}
	return g
}

// filters tells what a gate is that may drop services' packets, or those of ICMP, or
// both.
func filters(services, tooBig bool) (filters bool, admits []cluster.Protocol) {
	if !services {
		admits = append(admits, cluster.TCP, cluster.UDP, cluster.SCTP, host.VRRPProtocol)
	}
	if !tooBig {
		admits = append(admits, host.ICMP, host.ICMPv6)
	}
	return services || tooBig, admits
}
