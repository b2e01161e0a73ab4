package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A passage is the way of a VIP's packets through this host's packet filter.
type passage struct {
	rules    *filter.Ruleset
	director bool
	vip      netip.Addr
	client   netip.Addr // invalid: any
	in       string     // the interface on the LAN
	out      string     // a real server's to its clients, a director's to its real servers
	local    []netip.Addr
	localIn  []netip.Addr // those of them that the interface on the LAN has
	first    netip.Addr   // of the interface on the LAN
	routeTo  func(netip.Addr) (host.Route, error)

	localnet bool // route_localnet: the loopback network is taken from other hosts too
	tracks   bool // vs.conntrack: IPVS leaves its packets to connection tracking
	strict   bool // nf_conntrack_tcp_loose=0: no connection is picked up in its middle
}

// ipvsPriority is where IPVS takes a packet off the input hook: NF_IP_PRI_NAT_SRC
// - 1 (net/netfilter/ipvs/ip_vs_core.c). Later chains do not see it.
const ipvsPriority = 99

// passage is that of a VIP, for any client.
func (e *Exam) passage(ctx context.Context, vip netip.Addr) (*passage, error) {
	m, _ := e.seen.passages.LoadOrStore(vip, &memo[*passage]{})
	return m.(*memo[*passage]).get(ctx, func() (*passage, error) { return e.newPassage(ctx, vip) })
}

func (e *Exam) newPassage(ctx context.Context, vip netip.Addr) (*passage, error) {
	rules, err := e.Rules(ctx)
	if err != nil {
		return nil, err
	}
	p := &passage{rules: rules, director: e.Role == cluster.DirectorRole, vip: vip}
	p.routeTo = func(to netip.Addr) (host.Route, error) { return e.Host.Routes.To(ctx, to) }
	lan, err := e.LAN(ctx, vip)
	if err != nil {
		return nil, err
	}
	p.in, p.out = lan.Name, lan.Name
	toClients, err := p.routeTo(e.someClient(vip))
	if err == nil && !toClients.Local {
		p.out = toClients.Link
	}
	if p.director {
		if p.in, p.out, err = e.directorWays(ctx, vip, p.in, p.out); err != nil {
			return nil, err
		}
	}
	addresses, err := e.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	if p.local, err = e.local(ctx); err != nil {
		return nil, err
	}
	if p.director && !slices.Contains(p.local, vip) { // a backup is judged as the master that it may be any moment
		p.local = append(slices.Clone(p.local), vip)
		if p.in == lan.Name {
			p.localIn = append(p.localIn, vip)
		}
	}
	for _, a := range addresses {
		if a.Link == p.in {
			p.localIn = append(p.localIn, a.Prefix.Addr())
		}
		if !p.first.IsValid() && a.Link == p.in && a.Prefix.Addr().Is4() == vip.Is4() {
			p.first = a.Prefix.Addr()
		}
	}
	for _, link := range []string{"all", p.in} {
		on, err := e.sysctlIs("net/ipv4/conf/"+link+"/route_localnet", "1")
		if err != nil {
			return nil, err
		}
		p.localnet = p.localnet || on
	}
	if p.tracks, err = e.sysctlIs("net/ipv4/vs/conntrack", "1"); err != nil {
		return nil, err
	}
	p.strict, err = e.sysctlIs("net/netfilter/nf_conntrack_tcp_loose", "0")
	return p, err
}

// directorWays are the interfaces by which a VIP's packets come to a director and leave it
// for the real servers. They come by the LAN's, but those for a VIP that is in no subnet
// of the director are routed there, by the side of its clients.
func (e *Exam) directorWays(ctx context.Context, vip netip.Addr, lan, toClients string) (in, out string, err error) {
	in, out = lan, lan
	fronts, err := e.fronts(ctx, vip)
	if err != nil {
		return in, out, err
	}
	if len(fronts) > 0 && fronts[0].assumed {
		in = toClients
	}
	for _, rip := range e.RealServers(vip) {
		r, err := e.Route(ctx, rip)
		if err == nil && !r.Local {
			return in, r.Link, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !unreachable(err) {
			return in, out, err
		}
	}
	return in, out, nil
}

// sysctlIs is false where the kernel has no such key.
func (e *Exam) sysctlIs(key, value string) (bool, error) {
	v, err := e.Host.Sysctl.Get(key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.TrimSpace(v) == value, err
}

// A clientPacket is one of the packets that a client sends.
type clientPacket string

const (
	firstPacket clientPacket = "the first packet"
	laterPacket clientPacket = "later packets"
	lastPacket  clientPacket = "the end (FIN)"
	resetPacket clientPacket = "resets (RST)"
)

// anyPort stands for every port in an opening of port 0.
const anyPort = 80

// packet is a client's packet as connection tracking sees it on its way in. A
// director sees one direction only: IPVS takes each packet away before tracking
// keeps it, so that each is the first of its connection, and a FIN or RST as the
// first is invalid (nf_conntrack_proto_tcp.c). With vs.conntrack the SYN is kept,
// and what follows is invalid because no answer to it was seen. A real server sees
// both directions.
func (p *passage) packet(o host.Opening, kind clientPacket) filter.Packet {
	pkt := filter.Packet{
		Hook: filter.Prerouting, In: p.in, Src: p.client, Dst: o.VIP, Protocol: uint8(o.Protocol), SrcPort: 49152, DstPort: o.Port,
		State: filter.New, Local: p.local, LocalIn: p.localIn, Redirect: p.first,
	}
	if o.Port == 0 {
		pkt.DstPort = anyPort
	}
	if o.Protocol == cluster.TCP {
		pkt.TCPFlags = map[clientPacket]uint8{
			firstPacket: filter.SYN, laterPacket: filter.ACK, lastPacket: filter.FIN | filter.ACK, resetPacket: filter.RST,
		}[kind]
	}
	switch {
	case kind == firstPacket:
	case !p.director:
		pkt.State = filter.Established
	case o.Protocol == cluster.TCP && (kind != laterPacket || p.tracks || p.strict):
		pkt.State = filter.Invalid
	}
	return pkt
}

// receive sends a packet through the hooks on the way in, to where IPVS or a
// socket takes it. The first verdict that speaks against it counts.
func (p *passage) receive(pkt filter.Packet) filter.Verdict {
	v := p.rules.Trace(pkt)
	if v.Drops() {
		return v
	}
	next := v.Packet
	next.Hook = filter.Input
	if p.director {
		next.Before = ipvsPriority
	} else if out, ok := p.forwarded(next); ok {
		next.Hook, next.Out = filter.Forward, out
	}
	return then(v, p.rules.Trace(next))
}

// replyFrom is what another host, such as a container, sends back through this one to a
// client whose packet was let in with another destination.
func (p *passage) replyFrom(v filter.Verdict) (reply filter.Packet, ok bool) {
	link, ok := p.forwarded(v.Packet)
	if !ok || p.director || v.Drops() {
		return filter.Packet{}, false
	}
	reply = filter.Packet{
		Hook: filter.Forward, In: link, Out: p.out, Src: v.Packet.Dst, Dst: p.client, Protocol: v.Packet.Protocol,
		SrcPort: v.Packet.DstPort, DstPort: v.Packet.SrcPort, State: filter.Established, Answers: true, Local: p.local,
	}
	if v.Packet.TCPFlags != 0 {
		reply.TCPFlags = filter.SYN | filter.ACK
	}
	return reply, true
}

// refused tells whether the kernel drops a packet because a rule has sent it to the loopback
// network (ip_route_input_slow in net/ipv4/route.c, martian_destination).
func (p *passage) refused(pkt filter.Packet) bool {
	return pkt.Translated && pkt.Dst.Is4() && pkt.Dst.IsLoopback() && !p.localnet
}

// forwarded tells whether a translated packet goes on to another host, such as a
// container, and by which interface.
func (p *passage) forwarded(pkt filter.Packet) (out string, ok bool) {
	if !pkt.Translated || !pkt.Dst.IsValid() {
		return "", false
	}
	r, err := p.routeTo(pkt.Dst)
	return r.Link, err == nil && !r.Local
}

// send sends a packet through the hooks on the way out.
func (p *passage) send(pkt filter.Packet) filter.Verdict {
	pkt.Hook, pkt.Before = filter.Output, 0
	v := p.rules.Trace(pkt)
	if v.Drops() {
		return v
	}
	next := v.Packet
	next.Hook = filter.Postrouting
	return then(v, p.rules.Trace(next))
}

// then is a verdict and that of a hook after it.
func then(v, next filter.Verdict) filter.Verdict {
	if next.Translated == nil {
		next.Translated = v.Translated
	}
	next.Untracked = next.Untracked || v.Untracked
	if next.Action == filter.Accept || next.Action == filter.Unsure && v.Action == filter.Unsure && v.Depends == filter.ByMatch {
		next.Action, next.Rule, next.Depends = v.Action, v.Rule, v.Depends
	}
	return next
}

// onward is a client's packet as IPVS sends it on, no longer tracked unless
// vs.conntrack is set (ip_vs_send_or_cont in net/netfilter/ipvs/ip_vs_xmit.c).
func (p *passage) onward(pkt filter.Packet) filter.Packet {
	pkt.In, pkt.Out = "", p.out
	if !p.tracks {
		pkt.State = filter.Untracked
	}
	return pkt
}

// reply is what a real server sends back. Where a rule kept the client's packet out
// of tracking, the reply is the first that tracking sees, and a SYN-ACK invalid.
func (p *passage) reply(o host.Opening, received filter.Verdict) filter.Packet {
	pkt := filter.Packet{
		Out: p.out, Src: o.VIP, Dst: p.client, Protocol: uint8(o.Protocol), SrcPort: o.Port, DstPort: 49152,
		State: filter.Established, Local: p.local,
	}
	if o.Port == 0 {
		pkt.SrcPort = anyPort
	}
	if o.Protocol == cluster.TCP {
		pkt.TCPFlags = filter.SYN | filter.ACK
	}
	if received.Packet.State == filter.Untracked {
		pkt.State = filter.New
		if o.Protocol == cluster.TCP {
			pkt.State = filter.Invalid
		}
	}
	return pkt
}
