package firewall

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// An nftTable names a table.
type nftTable struct {
	family nftables.TableFamily
	name   string
}

func (t nftTable) raw() *nftables.Table { return &nftables.Table{Family: t.family, Name: t.name} }

// familyName is the family in nft's words, empty for those without packets of ours.
func (t nftTable) familyName() string {
	switch t.family {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	}
	return ""
}

// An nftChain names a chain.
type nftChain struct {
	table nftTable
	name  string
}

// String is the chain in nft's words: "inet filter input".
func (c nftChain) String() string {
	return c.table.familyName() + " " + c.table.name + " " + c.name
}

// iptablesName tells whether the chain is called as iptables calls its own.
func (c nftChain) iptablesName() bool {
	return c.table.family != nftables.TableFamilyINet && c.table.name == "filter" && (c.name == "INPUT" || c.name == "OUTPUT")
}

// An nftView is one look at the rules of a network namespace. Chains are read
// when asked for, each once.
type nftView struct {
	conn   *nftables.Conn
	tables map[nftTable]bool // whether others may not change it
	base   []nftChain        // the foreign ones that our packets traverse
	chains map[nftChain]*nftables.Chain
	rules  map[nftChain][]*nftables.Rule
	drops  map[nftChain]bool
}

// Flags of a table (include/uapi/linux/netfilter/nf_tables.h).
const (
	nftTableDormant = 1 << 0 // none of its chains is hooked in
	nftTableOwner   = 1 << 1 // only the socket that made it may change it
)

func (v *nftView) readTables() error {
	tables, err := v.conn.ListTables()
	if err != nil {
		return err
	}
	for _, t := range tables {
		// The library reads the kernel's big-endian flags in the host's order.
		flags := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, t.Flags))
		if flags&nftTableDormant == 0 {
			v.tables[nftTable{t.Family, t.Name}] = flags&nftTableOwner != 0
		}
	}
	chains, err := v.conn.ListChains()
	if err != nil {
		return err
	}
	for _, raw := range chains {
		c := nftChain{nftTable{raw.Table.Family, raw.Table.Name}, raw.Name}
		if _, ok := v.tables[c.table]; !ok || c.table.familyName() == "" {
			continue
		}
		v.chains[c] = raw
		if c.table != nftOwnTable && traversed(raw) {
			v.base = append(v.base, c)
		}
	}
	return nil
}

// traversed tells whether our packets pass the chain on a hook where it may drop
// them: before routing, on the way in, or on the way out. Chains of type nat see
// first packets only and are not for filtering. Those on the ingress of a device
// are left alone: what is dropped there is not meant to reach any service.
func traversed(c *nftables.Chain) bool {
	if c.Hooknum == nil || c.Type == nftables.ChainTypeNAT {
		return false
	}
	switch *c.Hooknum {
	case *nftables.ChainHookPrerouting, *nftables.ChainHookInput, *nftables.ChainHookOutput:
		return true
	}
	return false
}

func (v *nftView) gate(c nftChain, drops bool) (host.Gate, error) {
	has, place, err := v.own(c)
	g := host.Gate{
		Name: c.String(), Filters: drops, Output: *v.chains[c].Hooknum == *nftables.ChainHookOutput,
		Openings: has, Shadowed: place.shadowed,
	}
	if c.table.family != nftables.TableFamilyINet {
		g.Family = c.table.familyName()
	}
	if v.tables[c.table] {
		g.Owner = fmt.Sprintf("the process that made the table %s %s (flag owner)", c.table.familyName(), c.table.name)
	}
	return g, err
}

// read returns the chain's rules, none when there is no such chain.
func (v *nftView) read(c nftChain) ([]*nftables.Rule, error) {
	if rules, ok := v.rules[c]; ok {
		return rules, nil
	}
	if v.chains[c] == nil {
		return nil, nil
	}
	rules, err := v.conn.GetRules(c.table.raw(), &nftables.Chain{Name: c.name})
	if err != nil {
		return nil, err
	}
	v.rules[c] = rules
	return rules, nil
}

// An nftPlace tells where lvsdr's rules stand in a chain and where they belong.
type nftPlace struct {
	handles  []uint64
	before   uint64 // the handle of the first foreign rule that can drop, 0: none
	shadowed bool   // some of lvsdr's rules come after it
}

// own returns lvsdr's openings in the chain, sorted, and their place.
func (v *nftView) own(c nftChain) ([]host.Opening, nftPlace, error) {
	var has []host.Opening
	var place nftPlace
	rules, err := v.read(c)
	if err != nil {
		return nil, place, err
	}
	for _, r := range rules {
		if !nftMarked(r) {
			if drops, err := v.ruleDrops(c, r); err != nil {
				return nil, place, err
			} else if drops && place.before == 0 {
				place.before = r.Handle
			}
			continue
		}
		place.handles = append(place.handles, r.Handle)
		place.shadowed = place.shadowed || place.before != 0
		more, err := v.openings(c, r)
		if err != nil {
			return nil, place, err
		}
		has = append(has, more...)
	}
	return host.SortOpenings(has), place, nil
}

// openings reads the set that a rule of lvsdr's looks the packet up in.
func (v *nftView) openings(c nftChain, r *nftables.Rule) ([]host.Opening, error) {
	i := slices.IndexFunc(r.Exprs, func(e expr.Any) bool { _, ok := e.(*expr.Lookup); return ok })
	if i < 0 {
		return nil, nil
	}
	name := r.Exprs[i].(*expr.Lookup).SetName
	elements, err := v.conn.GetSetElements(&nftables.Set{Table: c.table.raw(), Name: strings.TrimRight(name, "\x00")})
	if err != nil {
		return nil, err
	}
	var openings []host.Opening
	for _, e := range elements {
		if o, ok := nftOpening(e.Key); ok {
			openings = append(openings, o)
		}
	}
	return openings, nil
}
