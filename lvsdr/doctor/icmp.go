package doctor

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Numbers of ICMP (RFC 792, RFC 4443, RFC 4861) and its protocols.
const (
	protocolICMP   = 1
	protocolICMPv6 = 58

	icmpUnreachable   = 3
	icmpFragNeeded    = 4 // its code
	icmpPacketTooBig  = 2
	icmpSolicitation  = 135
	icmpAdvertisement = 136
)

var firewallICMP = &Check{
	Code:  "firewall-icmp",
	Title: "the packet filter lets in what routers say about the size of packets",
	Why: "A router on the way to a client tells the VIP when packets are too big for it; without that, large replies never arrive " +
		"while small ones do.",
	Step:  step.Ports,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("the VIP is not here yet"), nil
		}
		b := &barriers{e: e}
		for _, vip := range e.Config.VIPs() {
			p, err := e.passage(ctx, vip)
			if err != nil {
				return nil, err
			}
			elsewhere, err := e.allTranslated(ctx, p)
			if err != nil {
				return nil, err
			}
			if elsewhere {
				continue
			}
			pkt, let := p.tooBig()
			v := p.receive(pkt)
			what := "what routers tell about the size of packets (" + tooBigName(vip) + ") to"
			if !b.judge(v, host.TooBig(vip), what, let) && p.director {
				b.judge(p.send(p.onward(v.Packet)), host.TooBig(vip), what+" the real servers of", let)
			}
		}
		return b.warnings(ctx), nil
	},
}

// allTranslated tells whether a real server gives the VIP's connections to another
// address: what belongs to them goes there, too.
func (e *Exam) allTranslated(ctx context.Context, p *passage) (bool, error) {
	for _, o := range step.OpeningsOf(e.Config) {
		if o.VIP != p.vip {
			continue
		}
		if elsewhere, err := e.redirected(ctx, o); err != nil || p.director || !elsewhere {
			return false, err
		}
	}
	return true, nil
}

func tooBigName(vip netip.Addr) string {
	if vip.Is6() {
		return "ICMPv6 packet-too-big"
	}
	return "ICMP fragmentation-needed"
}

// tooBig is a router's message to the VIP. It belongs to a connection that a real
// server's connection tracking knows, and a director's only with vs.conntrack:
// otherwise it is invalid (nf_conntrack_inet_error).
func (p *passage) tooBig() (filter.Packet, packetMatch) {
	pkt := filter.Packet{
		Hook: filter.Prerouting, In: p.in, Dst: p.vip, Protocol: protocolICMP, ICMPType: icmpUnreachable, ICMPCode: icmpFragNeeded,
		State: filter.Related, Local: p.local, LocalIn: p.localIn,
	}
	let := packetMatch{
		nft:      fmt.Sprintf("ip daddr %s icmp type destination-unreachable", p.vip),
		iptables: fmt.Sprintf("-d %s -p icmp --icmp-type fragmentation-needed", p.vip),
	}
	if p.vip.Is6() {
		pkt.Protocol, pkt.ICMPType, pkt.ICMPCode = protocolICMPv6, icmpPacketTooBig, 0
		let = packetMatch{
			nft:      fmt.Sprintf("ip6 daddr %s icmpv6 type packet-too-big", p.vip),
			iptables: fmt.Sprintf("-d %s -p ipv6-icmp --icmpv6-type packet-too-big", p.vip),
		}
	}
	if p.director && !p.tracks {
		pkt.State = filter.Invalid
	}
	return pkt, let
}

var firewallND = &Check{
	Code:  "firewall-nd",
	Title: "the packet filter lets neighbour discovery through",
	Why:   "IPv6 has no ARP: without ICMPv6 neighbour discovery nobody on the LAN finds this host.",
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		b, any6 := &barriers{e: e}, false
		for _, vip := range e.Config.VIPs() {
			if !vip.Is6() {
				continue
			}
			p, err := e.passage(ctx, vip)
			if err != nil {
				return nil, err
			}
			any6 = true
			p.discover(b)
		}
		if !any6 {
			return skip("no VIP is IPv6"), nil
		}
		return b.problems(ctx), nil
	},
}

// discover asks what becomes of solicitations and advertisements, in and out. A
// director is asked for its VIP, a real server for its own address. Connection
// tracking leaves them alone (nf_conntrack_icmpv6_error).
func (p *passage) discover(b *barriers) {
	target := p.vip
	if !p.director && p.first.IsValid() {
		target = p.first
	}
	group := solicitedNode(target)
	for _, d := range []struct {
		kind       uint8
		to         netip.Addr
		name, word string
	}{
		{icmpSolicitation, group, "neighbour solicitations", "neighbour-solicitation"},
		{icmpAdvertisement, target, "neighbour advertisements", "neighbour-advertisement"},
	} {
		pkt := filter.Packet{
			Hook: filter.Prerouting, In: p.in, Dst: d.to, Protocol: protocolICMPv6, ICMPType: d.kind, State: filter.Untracked, Local: p.local, LocalIn: p.localIn, Length: 72,
		}
		let := packetMatch{nft: fmt.Sprintf("icmpv6 type %d", d.kind), iptables: "-p ipv6-icmp --icmpv6-type " + d.word}
		b.judge(p.receive(pkt), host.Opening{VIP: target}, d.name+" for", let)
		pkt.In, pkt.Out, pkt.Src, pkt.Dst = "", p.in, target, netip.Addr{}
		b.judge(p.send(pkt), host.Opening{VIP: target}, "outgoing "+d.name+" from", let)
	}
}

// solicitedNode is the multicast group of an address (RFC 4291 section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}
