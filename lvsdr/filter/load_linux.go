package filter

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Load reads the rules of the calling thread's network namespace. It brings
// neither nf_tables nor iptables into use.
func Load(ctx context.Context) (*Ruleset, error) {
	legacy, err := LoadLegacy(ctx)
	if err != nil {
		return nil, err
	}
	nft, err := LoadNftables(ctx)
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	return Join(legacy, nft), nil
}

// LoadNftables is the part of [Load] that is in nf_tables: nftables' rules, and
// those that iptables-nft keeps there.
func LoadNftables(ctx context.Context) (*Ruleset, error) {
	read, err := loadOnce(ctx)
	if err != nil {
		return nil, err
	}
	rules := *read
	if rules.links, err = readLinks(); err != nil {
		return nil, err
	}
	return &rules, nil
}

// readLinks are the interfaces of the calling thread's network namespace.
func readLinks() (map[string]link, error) {
	rib, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("netlinkrib", err)
	}
	messages, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return nil, os.NewSyscallError("parsenetlinkmessage", err)
	}
	links := map[string]link{}
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		a := attributes(m.Data[unix.SizeofIfInfomsg:])
		l := link{
			typ: binary.NativeEndian.Uint16(m.Data[2:]), index: binary.NativeEndian.Uint32(m.Data[4:]),
			kind: a.nested(unix.IFLA_LINKINFO).text(unix.IFLA_INFO_KIND),
		}
		if group := a.get(unix.IFLA_GROUP); len(group) == 4 {
			l.group = binary.NativeEndian.Uint32(group)
		}
		links[a.text(unix.IFLA_IFNAME)] = l
	}
	return links, nil
}

// loadOnce reads what a context of [Once] has not.
func loadOnce(ctx context.Context) (*Ruleset, error) {
	read := func() (*Ruleset, error) {
		state, err := readNftables(ctx)
		if err != nil {
			return nil, err
		}
		return state.ruleset(ctx)
	}
	r := readingOf(ctx)
	if r == nil || !nftLoaded() {
		return read()
	}
	return r.get(ctx, &r.nftables, nftMoment, read)
}

// ruleset makes chains of what nf_tables has. Tables of iptables' are taken from its
// command: its matches are in no words of nft's.
func (s *nftState) ruleset(ctx context.Context) (*Ruleset, error) {
	read, err := s.writtenByIptables(ctx)
	if err != nil {
		return nil, err
	}
	r := &Ruleset{tracks: s.tracks}
	// Of two with the same priority the kernel calls the younger one first
	// (nf_hook_entries_grow in net/netfilter/core.c), and it tells the oldest first.
	for _, c := range slices.Backward(s.chains) {
		if !c.base {
			continue
		}
		of, family := c.chain, c.table.family
		if listed := read[c.table]; listed != nil && sameShape(listed, c.table.chains) {
			of = listed[c.name]
		}
		r.base = append(r.base, &baseChain{
			chain: of, arp: family == unix.NFPROTO_ARP,
			v4:   family == unix.NFPROTO_INET || family == unix.NFPROTO_IPV4 || family == unix.NFPROTO_NETDEV,
			v6:   family == unix.NFPROTO_INET || family == unix.NFPROTO_IPV6 || family == unix.NFPROTO_NETDEV,
			hook: c.hook, priority: int(c.priority), nat: c.kind == "nat", drops: c.drops, devices: c.devices,
		})
	}
	r.arp = s.namedByARP()
	return r.sort(), nil
}

// namedByARP are the IPv4 addresses in the rules and sets of family arp.
func (s *nftState) namedByARP() []netip.Addr {
	var all []netip.Addr
	add := func(data []byte) {
		if a, ok := netip.AddrFromSlice(data); ok && a.Is4() {
			all = append(all, a)
		}
	}
	for _, t := range s.tables {
		if t.family != unix.NFPROTO_ARP {
			continue
		}
		for _, c := range t.chains {
			for _, r := range c.rules {
				for e, rest, ok := r.(*nftRule).expressions().cut(); ok; e, rest, ok = rest.cut() {
					if e.is("cmp") {
						add(e.data(unix.NFTA_CMP_DATA))
					}
				}
			}
		}
		for _, set := range t.sets {
			for _, e := range set.elements {
				add(e.key)
			}
		}
	}
	return all
}

// sameShape tells whether the command has listed every rule that is there, and none
// is foreign to it. It lists built-in chains that are not there.
func sameShape(listed, there map[string]*chain) bool {
	for name, c := range there {
		l := listed[name]
		if l == nil || len(l.rules) != len(c.rules) || slices.ContainsFunc(c.rules, foreignToIptables) {
			return false
		}
	}
	return true
}

// foreignToIptables: it gives each rule a counter and knows no sets of nftables.
func foreignToIptables(r rule) bool {
	n, ok := r.(*nftRule)
	if !ok {
		return false
	}
	counts := false
	for e, rest, ok := n.expressions().cut(); ok; e, rest, ok = rest.cut() {
		if e.is("lookup") {
			return true
		}
		counts = counts || e.is("counter")
	}
	return !counts
}

// writtenByIptables are the chains of the tables that iptables keeps in nf_tables,
// in its words; none where its command is missing.
func (s *nftState) writtenByIptables(ctx context.Context) (map[*nftTable]map[string]*chain, error) {
	read := map[*nftTable]map[string]*chain{}
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
			if t := s.tables[tableKey{family, table}]; t != nil {
				read[t] = compileTable(command, "nft", table, listing)
			}
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
