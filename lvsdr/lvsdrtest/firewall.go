package lvsdrtest

import (
	"context"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A firewall is one packet filter with the places where it may drop packets.
type firewall struct {
	name      string
	gates     []*gate
	untracked []host.Opening // nftables: what its gate "inet lvsdr prerouting" lets past
}

// trackingGate is where nftables keeps packets out of connection tracking. It
// matters when something can drop.
const trackingGate = "inet lvsdr prerouting"

type gate struct {
	name, family string
	output       bool
	policy       string   // "accept" or "drop"
	hook         string   // nftables: how the chain was declared
	rules        []string // somebody else's, as they were written, in their order
	openings     []host.Opening
	above        []string // somebody else's that were put before the openings
}

func (f *firewall) find(name string) *gate {
	for _, g := range f.gates {
		if g.name == name {
			return g
		}
	}
	return nil
}

// gate returns the gate of that name, made when it is not there.
func (f *firewall) gate(name, family string, output bool) *gate {
	g := f.find(name)
	if g == nil {
		g = &gate{name: name, family: family, output: output, policy: "accept"}
		f.gates = append(f.gates, g)
	}
	return g
}

func (g *gate) filters() bool { return g.policy == "drop" || drops(g.rules) || drops(g.above) }

// drops tells whether a rule can drop. It does not follow jumps.
func drops(rules []string) bool {
	return slices.ContainsFunc(rules, func(r string) bool {
		r = strings.ToLower(r)
		return strings.Contains(r, "drop") || strings.Contains(r, "reject")
	})
}

// Name implements [host.Firewall].
func (f *firewall) Name() string { return f.name }

// Gates returns the gates sorted by name, that of connection tracking last.
func (f *firewall) Gates(context.Context) ([]host.Gate, error) {
	var all []host.Gate
	filters := false
	for _, g := range f.gates {
		all = append(all, host.Gate{
			Name: g.name, Family: g.family, Output: g.output, Filters: g.filters(),
			Openings: slices.Clone(g.openings), Shadowed: len(g.openings) > 0 && drops(g.above),
		})
		filters = filters || g.filters()
	}
	slices.SortFunc(all, func(a, b host.Gate) int { return strings.Compare(a.Name, b.Name) })
	if f.name == "nftables" && (filters || len(f.untracked) > 0) {
		all = append(all, host.Gate{
			Name: trackingGate, Untracked: true, Filters: filters, Openings: slices.Clone(f.untracked),
		})
	}
	return all, nil
}

// Set puts the openings before everything else in the gate.
func (f *firewall) Set(_ context.Context, name string, openings []host.Opening) error {
	openings = slices.Clone(openings)
	slices.SortFunc(openings, host.Opening.Compare)
	openings = slices.Compact(openings)
	if f.name == "nftables" && name == trackingGate {
		f.untracked = openings
	}
	if g := f.find(name); g != nil {
		g.openings = openings
		g.rules, g.above = append(g.above, g.rules...), nil
	}
	return nil
}

// insertRule puts somebody else's rule first.
func (g *gate) insertRule(line string) {
	if len(g.openings) > 0 {
		g.above = append([]string{line}, g.above...)
		return
	}
	g.rules = append([]string{line}, g.rules...)
}
