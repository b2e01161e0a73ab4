package doctor

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// The checks of the packet filter evaluate the rules that are loaded, for every
// VIP and port. A rule against some senders or against floods is no closed port.

var firewallIn = &Check{
	Code:  "firewall-in",
	Title: "the packet filter lets new connections to the VIP in",
	Why:   "IPVS and sockets get a packet only after the last filter on the way in; clients wait for an answer that never comes.",
	Step:  step.Ports,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.judgeOpenings(ctx, func(b *barriers, p *passage, o host.Opening) {
			v := p.receive(p.packet(o, firstPacket))
			switch {
			case b.judge(v, o, "new connections to", arriving(o, v.Packet)...):
			case p.director && v.Packet.Translated:
				b.add(*v.Translated, Failure, o, "takes past IPVS", inward(o))
			case p.refused(v.Packet):
				does := fmt.Sprintf("sends to %s, where the kernel takes nothing from other hosts, new connections to", v.Packet.Dst)
				b.add(*v.Translated, Failure, o, does).advice = "Have the rule send them to an address of this host that is not loopback's, as REDIRECT does, and the server listen there."
			}
		})
	},
}

var firewallStateful = &Check{
	Code:  "firewall-stateful",
	Title: "the packet filter lets in what follows a connection's first packet",
	Why:   "A director never sees the real servers' replies: for its connection tracking no connection is ever established.",
	Step:  step.Ports,
	Needs: []*Check{firewallIn},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.judgeOpenings(ctx, func(b *barriers, p *passage, o host.Opening) {
			if pkt := p.packet(o, laterPacket); o.Protocol == cluster.TCP && pkt.State != filter.Invalid {
				b.judge(p.receive(pkt), o, "all but the first packet of each connection to", inward(o))
				b.certain() // firewall-in tells of the others
			}
		})
	},
}

var firewallInvalid = &Check{
	Code:  "firewall-invalid",
	Title: "the packet filter lets in what connection tracking calls invalid",
	Why: "A director's connection tracking sees one direction only and takes the ends of connections for invalid: dropped, " +
		"connections never close on the real servers.",
	Step:  step.Ports,
	Needs: []*Check{firewallIn, firewallStateful},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.judgeOpenings(ctx, func(b *barriers, p *passage, o host.Opening) {
			if o.Protocol != cluster.TCP {
				return
			}
			defer b.certain() // firewall-in tells of the others
			if later := p.packet(o, laterPacket); later.State == filter.Invalid {
				why := "net.netfilter.nf_conntrack_tcp_loose=0"
				if p.tracks {
					why = "net.ipv4.vs.conntrack=1"
				}
				if b.judge(p.receive(later), o, "all but the first packet, because of "+why+", of each connection to", inward(o)) {
					return
				}
			}
			if !b.judge(p.receive(p.packet(o, lastPacket)), o, "the ends (FIN) of connections to", inward(o)) {
				b.judge(p.receive(p.packet(o, resetPacket)), o, "the resets (RST) of connections to", inward(o))
			}
		})
	},
}

var firewallOut = &Check{
	Code:  "firewall-out",
	Title: "the packet filter lets the VIP's packets out",
	Why: "A director's packets to the real servers go through the output hook like its own; a real server's replies come from the VIP, " +
		"not from its own address.",
	Step:  step.Ports,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.judgeOpenings(ctx, func(b *barriers, p *passage, o host.Opening) {
			if !p.director {
				v := p.receive(p.packet(o, firstPacket))
				if pkt, ok := p.replyFrom(v); ok {
					from := host.Opening{VIP: pkt.Src, Port: pkt.SrcPort, Protocol: o.Protocol}
					b.judge(p.rules.Trace(pkt), o, fmt.Sprintf("the replies of %s, to whom a rule sends what comes for", netip.AddrPortFrom(pkt.Src, pkt.SrcPort)), answering(from))
				} else if !v.Drops() && !v.Packet.Translated {
					b.judge(p.send(p.reply(o, v)), o, "the replies from", outward(o))
				}
				return
			}
			unsure := false
			for _, kind := range []clientPacket{firstPacket, laterPacket, lastPacket, resetPacket} {
				// What is dropped on the way in is another check's.
				v := p.receive(p.packet(o, kind))
				if v.Drops() {
					continue
				}
				sent := p.send(p.onward(v.Packet))
				if unsure && !sent.Drops() {
					continue // told of an earlier packet
				}
				if b.judge(sent, o, fmt.Sprintf("on the way to the real servers %s of connections to", kind), inward(o)) {
					return
				}
				unsure = unsure || sent.Action == filter.Unsure
			}
		})
	},
}
