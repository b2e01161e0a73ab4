package filter

import (
	"context"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sys/unix"
)

// Load reads the rules of the calling thread's network namespace. It brings
// neither nf_tables nor iptables into use.
func Load(ctx context.Context) (*Ruleset, error) {
	rules := &Ruleset{links: map[string]int{}}
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		rules.links[l.Name] = l.Index
	}
	sets := []*Ruleset{rules}
	for _, family := range []string{"ip", "ip6"} {
		legacy, err := loadLegacy(ctx, family)
		if err != nil {
			return nil, err
		}
		sets = append(sets, legacy)
	}
	state, err := readNftables(ctx)
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	nft, err := state.ruleset(ctx)
	if err != nil {
		return nil, err
	}
	return Join(append(sets, nft)...), nil
}

func loadLegacy(ctx context.Context, family string) (*Ruleset, error) {
	tables, err := LegacyTables(family)
	if err != nil || len(tables) == 0 {
		return &Ruleset{}, err
	}
	command := IptablesCommand("legacy", family)
	if command == "" {
		return nil, NoCommand(family)
	}
	out, err := RunTool(ctx, "", command+"-save")
	if err != nil {
		return nil, err
	}
	return ParseIptables(command, string(out)), nil
}

// ruleset makes chains of what nf_tables has. Tables of iptables' are taken from its
// command: its matches are in no words of nft's.
func (s *nftState) ruleset(ctx context.Context) (*Ruleset, error) {
	read, err := s.writtenByIptables(ctx)
	if err != nil {
		return nil, err
	}
	r := &Ruleset{}
	all := map[tableKey]map[string]*chain{}
	for _, c := range s.chains {
		if all[c.table] == nil {
			all[c.table] = map[string]*chain{}
		}
		all[c.table][c.name] = &chain{
			tool: ByNftables, family: nftFamilies[c.table.family], table: c.table.name, name: c.name, owned: s.tables[c.table].owned,
		}
	}
	for i := range s.rules {
		rule := &s.rules[i]
		rule.goals = all[rule.table]
		if c := rule.goals[rule.chain]; c != nil {
			c.rules = append(c.rules, rule)
		}
	}
	for _, c := range s.chains {
		if !c.base {
			continue
		}
		of := all[c.table][c.name]
		if same := read[c.table][c.name]; sameShape(read[c.table], all[c.table]) {
			of = same
		}
		r.base = append(r.base, &baseChain{
			chain: of, v4: c.table.family != unix.NFPROTO_IPV6, v6: c.table.family != unix.NFPROTO_IPV4,
			hook: c.hook, priority: int(c.priority), nat: c.kind == "nat", drops: c.drops,
		})
	}
	return r.sort(), nil
}

// sameShape tells whether the command has listed every rule that is there. It lists
// built-in chains that are not.
func sameShape(listed, there map[string]*chain) bool {
	for name, c := range there {
		if l := listed[name]; l == nil || len(l.rules) != len(c.rules) {
			return false
		}
	}
	return true
}

// writtenByIptables are the chains of the tables that iptables keeps in nf_tables,
// in its words; none where its command is missing.
func (s *nftState) writtenByIptables(ctx context.Context) (map[tableKey]map[string]*chain, error) {
	read := map[tableKey]map[string]*chain{}
	for _, family := range []uint8{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
		name := nftFamilies[family]
		command := ""
		if s.speaksIptables(family) {
			command = IptablesCommand("nft", name)
		}
		if command == "" {
			continue
		}
		out, err := RunTool(ctx, "", command+"-save")
		if err != nil {
			return nil, err
		}
		for table, listing := range ParseListing(string(out)) {
			read[tableKey{family, table}] = compileTable(command, "nft", table, listing)
		}
	}
	return read, nil
}

// speaksIptables tells whether the family has a table that is called like one of
// iptables', with base chains like its own.
func (s *nftState) speaksIptables(family uint8) bool {
	return slices.ContainsFunc(s.chains, func(c nftChain) bool {
		_, ok := iptablesHooks[c.table.name].priority[c.name]
		return ok && c.base && c.table.family == family
	})
}
