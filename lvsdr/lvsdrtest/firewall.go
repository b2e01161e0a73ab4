package lvsdrtest

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr"
)

// A firewall is one packet filter with the places where it may drop packets.
type firewall struct {
	name  string
	gates []*gate
}

type gate struct {
	name     string
	output   bool
	policy   string   // "accept" or "drop"
	hook     string   // nftables: how the chain was declared
	rules    []string // somebody else's, as they were written
	openings []lvsdr.Opening
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
func (f *firewall) gate(name string, output bool) *gate {
	g := f.find(name)
	if g == nil {
		g = &gate{name: name, output: output, policy: "accept"}
		f.gates = append(f.gates, g)
	}
	return g
}

func (g *gate) filters() bool {
	return g.policy == "drop" || slices.ContainsFunc(g.rules, func(r string) bool {
		r = strings.ToLower(r)
		return strings.Contains(r, "drop") || strings.Contains(r, "reject")
	})
}

// view returns the gates sorted by name.
func (f *firewall) view() []lvsdr.Gate {
	var all []lvsdr.Gate
	for _, g := range f.gates {
		all = append(all, lvsdr.Gate{
			Name: g.name, Output: g.output, Filters: g.filters(), Openings: slices.Clone(g.openings),
		})
	}
	slices.SortFunc(all, func(a, b lvsdr.Gate) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (f *firewall) set(name string, openings []lvsdr.Opening) error {
	g := f.find(name)
	if g == nil {
		return fmt.Errorf("%s has no gate %q: %w", f.name, name, fs.ErrNotExist)
	}
	g.openings = slices.Clone(openings)
	slices.SortFunc(g.openings, compareOpenings)
	g.openings = slices.Compact(g.openings)
	return nil
}

func compareOpenings(a, b lvsdr.Opening) int {
	return cmp.Or(a.VIP.Compare(b.VIP), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
}
