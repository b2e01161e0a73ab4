package doctor

import (
	"bytes"
	"context"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// knock tries paths on one LAN: each service's packet for the VIP at the real server's
// MAC address, all at once. Where no answer came, a second round tells why: the same
// port at the RIP, and pings. A real server that answers these, and was silent before,
// is asked once more: a busy one may be slow now and then.
func (e *Exam) knock(ctx context.Context, paths []*pathSeen) error {
	if e.Stage == BeforeSetUp {
		return nil // nobody has the VIP yet
	}
	var k knocks
	for _, p := range paths {
		k.add(p, knockKind(p), netip.AddrPortFrom(p.id.Addr, p.id.Port), &p.reply)
	}
	if err := k.run(ctx, e); err != nil {
		return err
	}
	k = knocks{}
	for _, p := range paths {
		if p.serves() {
			continue
		}
		if p.id.Protocol == cluster.TCP && p.id.Port != 0 {
			k.add(p, probe.SYN, netip.AddrPortFrom(p.server.rip, p.id.Port), &p.own)
		}
		k.add(p, probe.Echo, netip.AddrPortFrom(p.id.Addr, 0), &p.vip)
		k.add(p, probe.Echo, netip.AddrPortFrom(p.server.rip, 0), &p.rip)
	}
	if err := k.run(ctx, e); err != nil {
		return err
	}
	k = knocks{}
	for _, p := range paths {
		if p.reply.Outcome == probe.Silent && p.alive() {
			k.add(p, knockKind(p), netip.AddrPortFrom(p.id.Addr, p.id.Port), &p.reply)
		}
	}
	return k.run(ctx, e)
}

// alive tells whether the real server answered anything that was asked beside the
// service.
func (p *pathSeen) alive() bool {
	for _, r := range []probe.Reply{p.own, p.vip, p.rip} {
		if r.Outcome != "" && r.Outcome != probe.Silent {
			return true
		}
	}
	return false
}

// knockKind is the packet that tells most of the service.
func knockKind(p *pathSeen) probe.Kind {
	switch {
	case p.id.Port == 0 || p.id.Protocol == cluster.SCTP:
		return probe.Echo
	case p.id.Protocol == cluster.UDP:
		return probe.Datagram
	}
	return probe.SYN
}

// serves tells whether the real server itself answered for the VIP.
func (p *pathSeen) serves() bool {
	return p.reply.Outcome == probe.Accepted && bytes.Equal(p.reply.MAC, p.server.mac)
}

// serves tells whether a real server answered for a service when it was tried. What
// waits for it still began before.
func (s *survey) serves(id ipvs.ID, rip netip.Addr) bool {
	return slices.ContainsFunc(s.paths, func(p *pathSeen) bool { return p.id == id && p.server.rip == rip && p.serves() })
}

// knocks are packets to send and where their replies go.
type knocks struct {
	link string
	all  []probe.Knock
	into []*probe.Reply
}

func (k *knocks) add(p *pathSeen, kind probe.Kind, to netip.AddrPort, into *probe.Reply) {
	mac, from := p.server.mac, p.server.source
	if mac == nil || !from.IsValid() || from.Is4() != to.Addr().Is4() {
		return
	}
	k.link = p.server.link.Name
	k.all = append(k.all, probe.Knock{Kind: kind, To: to, From: from, MAC: mac})
	k.into = append(k.into, into)
}

func (k *knocks) run(ctx context.Context, e *Exam) error {
	if len(k.all) == 0 {
		return nil
	}
	replies, err := e.Host.Wire.Knock(ctx, k.link, k.all, e.wait())
	if err != nil {
		return err
	}
	for i, r := range replies {
		*k.into[i] = r
	}
	return nil
}
