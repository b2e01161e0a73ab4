package doctor

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// claimantKnocks is how often each of those is knocked at who may be the director: a
// director that is its own real server serves a share itself.
const claimantKnocks = 4

// answerers are the MAC addresses that answer for the VIP, each once, but for a
// proxy's, which answers for others.
func (v *vipSeen) answerers() (macs []net.HardwareAddr) {
	for _, c := range v.claimants() {
		if c.probed {
			macs = append(macs, c.mac)
		}
	}
	return macs
}

// balances tells whether what was sent to the MAC address for the VIP was answered by
// another host: a director sends it on, a real server answers it itself.
func (v *vipSeen) balances(mac net.HardwareAddr) bool {
	return slices.ContainsFunc(v.balancers, func(b net.HardwareAddr) bool { return bytes.Equal(b, mac) })
}

// tryClaimants finds out who of those that answer for a VIP balances, where that is
// not plain: several answer, or one that is a real server.
func (e *Exam) tryClaimants(ctx context.Context, s *survey) error {
	if e.Stage == BeforeSetUp {
		return nil
	}
	for _, v := range s.vips {
		macs := v.answerers()
		doubtful := len(macs) > 1 || len(macs) == 1 && s.whose(macs[0], v.addr) != nil
		if v.mine || v.err != nil || !v.source.IsValid() || !doubtful {
			continue
		}
		if err := e.tryEach(ctx, v, macs[:min(len(macs), mostNamed)]); err != nil {
			return err
		}
	}
	return nil
}

// tryEach knocks at the VIP's first TCP service, by each of the MAC addresses.
func (e *Exam) tryEach(ctx context.Context, v *vipSeen, macs []net.HardwareAddr) error {
	services := e.Config.VirtualServices()
	i := slices.IndexFunc(services, func(s ipvs.Entry) bool {
		return s.Addr == v.addr && s.Protocol == cluster.TCP && s.Port != 0
	})
	if i < 0 {
		return nil
	}
	var knocks []probe.Knock
	for _, mac := range macs {
		for range claimantKnocks {
			knocks = append(knocks, probe.Knock{Kind: probe.SYN, To: netip.AddrPortFrom(v.addr, services[i].Port), From: v.source, MAC: mac})
		}
	}
	replies, err := e.Host.Wire.Knock(ctx, v.link.Name, knocks, e.wait())
	for i, r := range replies {
		if mac := knocks[i].MAC; r.Outcome == probe.Accepted && !bytes.Equal(r.MAC, mac) && !v.balances(mac) {
			v.balancers = append(v.balancers, mac)
		}
	}
	return err
}

// ownOpenings are the services that a director serves a share of itself: one of their
// real servers has an address of this host. IPVS hands such packets to the host as
// they are, for the VIP (ip_vs_null_xmit in net/netfilter/ipvs/ip_vs_xmit.c).
func (e *Exam) ownOpenings(ctx context.Context) ([]host.Opening, error) {
	return e.seen.own.get(ctx, func() ([]host.Opening, error) { return e.findOwnOpenings(ctx) })
}

func (e *Exam) findOwnOpenings(ctx context.Context) ([]host.Opening, error) {
	services, err := e.served(ctx)
	if err != nil {
		return nil, err
	}
	live := make(map[ipvs.ID]*ipvs.Entry, len(services))
	for _, s := range services {
		live[s.want.ID] = s.live
	}
	var all []host.Opening
	for _, o := range step.OpeningsOf(e.Config) {
		v := live[ipvs.ID{Addr: o.VIP, Port: o.Port, Protocol: o.Protocol}]
		if v == nil {
			continue
		}
		own, err := e.servesItself(ctx, v)
		if err != nil {
			return all, err
		}
		if own {
			all = append(all, o)
		}
	}
	return all, nil
}

// servesItself tells whether a service has this host for a real server that takes
// connections.
func (e *Exam) servesItself(ctx context.Context, v *ipvs.Entry) (bool, error) {
	for _, d := range v.Destinations {
		if d.Weight <= 0 || d.Forwarding == ipvs.Masquerade {
			continue
		}
		r, err := e.Route(ctx, d.Addr)
		if err == nil && r.Local {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !unreachable(err) {
			return false, err
		}
	}
	return false, nil
}
