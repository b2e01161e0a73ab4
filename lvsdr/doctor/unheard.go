package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// An unheardDirector has VIPs that this director has, too, and none of its
// advertisements arrives here.
type unheardDirector struct {
	addr netip.Addr
	mac  net.HardwareAddr
	vips []netip.Addr
}

// unheard are the other directors that answer for VIPs of an instance that is master
// here, and were not heard. A listener behind a switch that drops their advertisements
// hears nothing of them: they are known by their answers to ARP, in an exam that asks.
func (e *Exam) unheard(ctx context.Context, m master) (all []unheardDirector, err error) {
	if !m.mine || e.Passive {
		return nil, nil
	}
	s, err := e.survey(ctx)
	if errors.Is(err, host.ErrNoView) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, v := range s.vips {
		if !v.mine || v.err != nil || !slices.Contains(m.instance.Addresses, v.addr) {
			continue
		}
		for _, c := range v.claimants() {
			d, err := e.directorOf(ctx, m, v.addr, c)
			if err != nil {
				return nil, err
			}
			if !d.IsValid() {
				continue
			}
			i := slices.IndexFunc(all, func(u unheardDirector) bool { return u.addr == d })
			if i < 0 {
				i, all = len(all), append(all, unheardDirector{addr: d, mac: c.mac})
			}
			all[i].vips = append(all[i].vips, v.addr)
		}
	}
	return all, nil
}

// directorOf is the address of the other director that a claimant of the VIP is, invalid
// where it is none, was heard to advertise the VIP, or is but a proxy.
func (e *Exam) directorOf(ctx context.Context, m master, vip netip.Addr, c claimant) (none netip.Addr, err error) {
	if !c.probed {
		return none, nil
	}
	for _, a := range m.adverts {
		if bytes.Equal(a.MAC, c.mac) && slices.Contains(a.Addresses, vip) {
			return none, nil
		}
	}
	others, err := e.otherDirectors(ctx)
	for _, d := range others {
		if bytes.Equal(d.mac, c.mac) {
			return d.rip, nil
		}
	}
	return none, err
}

// otherDirectors asks the LAN for the other directors' MAC addresses.
func (e *Exam) otherDirectors(ctx context.Context) ([]*serverSeen, error) {
	return e.seen.directors.get(ctx, func() (all []*serverSeen, err error) {
		on := map[string][]*serverSeen{}
		for _, d := range e.Config.Directors {
			seen, err := e.prepareServer(ctx, d.Address)
			if err != nil {
				return nil, err
			}
			if seen.near() {
				all, on[seen.link.Name] = append(all, seen), append(on[seen.link.Name], seen)
			}
		}
		for link, these := range on {
			if err := e.probeServers(ctx, link, these, e.wait()/2); err != nil {
				return nil, err
			}
		}
		return all, nil
	})
}

// unheardMaster tells of a second master by what it answers, and what may keep its
// advertisements.
func (e *Exam) unheardMaster(m master, u unheardDirector) Problem {
	p := problem("", "the director %s (%s) answers %s for %s, which this director has: both are master, and no advertisement of its (VRRP) was heard here",
		u.addr, u.mac, question(u.vips[0]), addressList(u.vips))
	if e.Stage == AfterSetUp { // it is mended on both, one after the other
		p.Severity = Warning
	}
	p.Advice = fmt.Sprintf("run \"lvsdr doctor director\" on %s: there vrrp-master tells what the two say otherwise, firewall-vrrp of a rule that keeps them in, and vrrp of a keepalived that has ended and left the VIPs. "+
		"Where it knows no more than this one, ", u.addr)
	switch {
	case len(m.instance.Peers) > 0:
		p.Advice += "the network between the two drops them: have it pass IP protocol 112 between the directors' addresses"
	case e.movesVIPs():
		p.Advice += "a switch between the two drops multicast (such as IGMP snooping without a querier): write unicast: true on both directors, " + e.rereadVRRP()
	default:
		p.Advice += "a switch between the two drops multicast (such as IGMP snooping without a querier): write unicast_src_ip and unicast_peer on both directors, " + e.rereadVRRP()
	}
	return p
}
