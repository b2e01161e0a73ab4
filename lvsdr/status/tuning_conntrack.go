package status

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// masquerades tells whether a service forwards by NAT, which may want connection tracking.
func (t *tuner) masquerades() bool {
	return slices.ContainsFunc(t.st.Services, func(s Service) bool {
		return slices.ContainsFunc(s.RealServers, func(r RealServer) bool { return r.Forwarding == forwarding[ipvs.Masquerade] })
	})
}

// connTracking: net.ipv4.vs.conntrack has IPVS keep connection tracking's entries,
// which direct routing does not need.
func connTracking(_ context.Context, t *tuner) ([]Note, error) {
	on, err := t.number("net/ipv4/vs/conntrack")
	if err != nil || on == 0 || t.masquerades() {
		return nil, err
	}
	return []Note{{"conntrack", "IPVS has connection tracking follow every connection (net.ipv4.vs.conntrack), which direct routing does not need, " +
		"unless rules of your own for what leaves this host ask for the state of these connections",
		on, 0, "sysctl -w net.ipv4.vs.conntrack=0"}}, nil
}

// manyTracked is how many packets a second connection tracking may look at in vain: at some
// 2000 instructions each, and eight times that for the first of a connection, a hundredth
// of a CPU or more (docs/why-lvs.md).
const manyTracked = 10_000

// trackedPackets: where a rule has brought connection tracking into use, it makes an entry
// for each packet to a VIP, which goes when IPVS takes the packet. Told are the VIPs that
// clients reach as well without it.
func trackedPackets(ctx context.Context, t *tuner) ([]Note, error) {
	var rate uint64
	for _, s := range t.st.Services {
		rate += s.Rates.Packets
	}
	if rate <= manyTracked || t.masquerades() {
		return nil, nil
	}
	if on, err := t.number("net/ipv4/vs/conntrack"); err != nil || on != 0 { // connTracking tells
		return nil, err
	}
	rules, err := t.host.Observer.Rules(ctx)
	if err != nil || !rules.Tracked() {
		return nil, err
	}
	stays := map[netip.Addr]bool{} // tracked, where a rule wants it so
	var vips []netip.Addr
	for _, s := range t.st.Services {
		if s.FWMark != 0 {
			continue
		}
		tracked, needed := t.tracks(rules, s)
		if vip := s.id.Addr; needed || !tracked {
			stays[vip] = true
		} else if !slices.Contains(vips, vip) {
			vips = append(vips, vip)
		}
	}
	vips = slices.DeleteFunc(vips, func(vip netip.Addr) bool { return stays[vip] })
	if len(vips) == 0 {
		return nil, nil
	}
	return []Note{{"conntrack-way", fmt.Sprintf("connection tracking, which a rule of the packet filter has brought into use, looks at %d packets a second to virtual services in vain: "+
		"IPVS takes them, and they are let in without it as well", rate), rate, manyTracked, notrack(vips)}}, nil
}

// ipvsPriority is where IPVS takes a packet off the input hook: NF_IP_PRI_NAT_SRC - 1.
const ipvsPriority = 99

// tracks tells whether connection tracking looks at a service's packets, and whether the
// rules would not let them in, or not translate them, without.
func (t *tuner) tracks(rules *filter.Ruleset, s Service) (tracked, needed bool) {
	p := filter.Packet{Dst: s.id.Addr, Protocol: uint8(s.id.Protocol), DstPort: s.id.Port, Local: []netip.Addr{s.id.Addr}}
	for _, v := range t.st.VIPs {
		if v.addr == s.id.Addr {
			p.In = v.Interface
		}
	}
	if p.DstPort == 0 { // every port
		p.DstPort = 80
	}
	flags := []uint8{0}
	if s.id.Protocol == ipvs.TCP {
		flags = []uint8{filter.SYN, filter.ACK, filter.FIN | filter.ACK}
	}
	for _, p.TCPFlags = range flags {
		first := p
		first.Hook, first.State = filter.Prerouting, filter.New
		v := rules.Trace(first)
		tracked, needed = tracked || !v.Untracked, needed || v.Translated != nil // what is untracked is not translated
		for _, hook := range []filter.Hook{filter.Prerouting, filter.Input} {
			without := p
			without.Hook, without.State = hook, filter.Untracked
			if hook == filter.Input {
				without.Before = ipvsPriority
			}
			needed = needed || rules.Trace(without).Drops()
		}
	}
	return tracked, needed
}

// notrack is the command that keeps the VIPs' packets out of connection tracking.
func notrack(vips []netip.Addr) string {
	const chain = "inet vip_untracked in"
	words := []string{"add table inet vip_untracked", "add chain " + chain + " { type filter hook prerouting priority raw; }"}
	for family, is := range map[string]func(netip.Addr) bool{"ip": netip.Addr.Is4, "ip6": netip.Addr.Is6} {
		var own []string
		for _, vip := range vips {
			if is(vip) {
				own = append(own, vip.String())
			}
		}
		if len(own) > 0 {
			words = append(words, fmt.Sprintf("add rule %s %s daddr { %s } notrack", chain, family, strings.Join(own, ", ")))
		}
	}
	slices.Sort(words[2:])
	return "nft '" + strings.Join(words, "; ") + "'"
}

// trackedConnections: a full table of connection tracking drops packets. Its rows grow with
// it, as the kernel has them.
func trackedConnections(_ context.Context, t *tuner) ([]Note, error) {
	most, err := t.number("net/netfilter/nf_conntrack_max")
	if err != nil {
		return nil, err
	}
	n, err := t.number("net/netfilter/nf_conntrack_count")
	limit := most / 4 * 3
	if err != nil || n <= limit {
		return nil, err
	}
	rows, err := t.number("net/netfilter/nf_conntrack_buckets")
	if err != nil {
		return nil, err
	}
	return []Note{{"conntrack-table", fmt.Sprintf("connection tracking follows %d connections of %d at most; when it is full, packets of new ones are dropped", n, most),
		n, limit, fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d net.netfilter.nf_conntrack_buckets=%d", 4*most, 4*rows)}}, nil
}
