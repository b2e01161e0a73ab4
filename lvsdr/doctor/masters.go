package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

var oneMaster = &Check{
	Code:  "vrrp-master",
	Title: "one director advertises the VIPs, the master",
	Why:   "Each of two masters answers for the VIPs: a client's connections go to the one that it heard last, and break when it hears the other.",
	Needs: []*Check{linkUsable, firewallVRRP},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		heard, err := e.masters(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, h := range heard {
			problems = append(problems, e.judgeMasters(h)...)
			unheard, err := e.unheard(ctx, h)
			if err != nil {
				return nil, err
			}
			for _, u := range unheard {
				problems = append(problems, e.unheardMaster(h, u))
			}
		}
		return problems, nil
	},
}

// A master is what a vrrp_instance of this host has heard while it listened.
type master struct {
	instance keepalived.Instance
	mine     bool // this host was and is the master itself
	adverts  []probe.Advert
}

// masters listens, for each vrrp_instance, to who advertises: it puts nothing on the wire.
func (e *Exam) masters(ctx context.Context) ([]master, error) {
	return e.seen.masters.get(ctx, func() ([]master, error) {
		instances, err := e.vrrpInstances(ctx)
		if err != nil || len(instances) == 0 {
			return nil, err
		}
		if e.Host.Wire == nil {
			return nil, host.ErrNoView
		}
		heard := make([]master, len(instances))
		var listen []func() error
		for i, instance := range instances {
			listen = append(listen, func() (err error) {
				heard[i], err = e.listen(ctx, instance)
				return err
			})
		}
		return heard, together(listen...)
	})
}

// longestListen bounds it: an interval may be 40 s.
const longestListen = 3 * time.Second

// listen hears each living master, also one whose interval is twice as long as here. Who is the master before and
// after has not just taken over.
func (e *Exam) listen(ctx context.Context, i keepalived.Instance) (master, error) {
	m := master{instance: i}
	if _, ok, err := e.Link(ctx, i.Interface); !ok || err != nil {
		return m, err // keepalived-conf tells
	}
	before, err := e.Host.Links.Addresses(ctx)
	if err != nil {
		return m, err
	}
	m.adverts, err = e.Host.Wire.Adverts(ctx, i.Interface, min(2*i.Interval+100*time.Millisecond, longestListen))
	if err != nil {
		return m, err
	}
	after, err := e.Host.Links.Addresses(ctx)
	m.mine = hasOf(before, i.Addresses) && hasOf(after, i.Addresses)
	m.adverts = slices.DeleteFunc(m.adverts, func(a probe.Advert) bool {
		return a.Priority == 0 || a.From.Is4() == i.IPv6 || hasOf(after, []netip.Addr{a.From})
	})
	return m, err
}

func hasOf(all []host.Address, some []netip.Addr) bool {
	return slices.ContainsFunc(all, func(a host.Address) bool { return slices.Contains(some, a.Prefix.Addr()) })
}

// sharesWith tells whether an advertisement is for VIPs of the instance.
func (m master) sharesWith(a probe.Advert) bool {
	return slices.ContainsFunc(a.Addresses, func(a netip.Addr) bool {
		return !a.IsLinkLocalUnicast() && slices.Contains(m.instance.Addresses, a)
	})
}

// rivals are those who advertise VIPs of the instance.
func (m master) rivals() []probe.Advert {
	return slices.DeleteFunc(slices.Clone(m.adverts), func(a probe.Advert) bool { return !m.sharesWith(a) })
}

// tooMany tells whether there are two masters or more.
func (m master) tooMany() bool { return m.mine && len(m.rivals()) > 0 || len(m.rivals()) > 1 }

// judgeMasters tells of masters beside the one, and of other clusters that have the same
// number.
func (e *Exam) judgeMasters(m master) []Problem {
	var problems []Problem
	if m.tooMany() {
		for _, a := range m.rivals() {
			problems = append(problems, e.secondMaster(m, a))
		}
	}
	for _, a := range m.strangers() {
		problems = append(problems, e.sameNumber(m.instance, a))
	}
	return problems
}

// strangers are masters of other clusters that have the instance's number.
func (m master) strangers() []probe.Advert {
	return slices.DeleteFunc(slices.Clone(m.adverts), func(a probe.Advert) bool {
		passedOver := len(m.instance.Peers) > 0 && !slices.Contains(m.instance.Peers, a.From)
		return a.RouterID != m.instance.RouterID || m.sharesWith(a) || passedOver || len(a.Addresses) == 0
	})
}

// secondMaster tells of a master beside another one, and why neither gives in.
func (e *Exam) secondMaster(m master, a probe.Advert) Problem {
	is := "as another director does"
	if m.mine {
		is = "as this director does"
	}
	p := problem("", "%s (%s) advertises %s by VRRP with priority %d, %s: both are master", a.From, a.MAC, addressList(m.shared(a)), a.Priority, is)
	differ := differences(m.instance, a)
	if len(differ) == 0 {
		p.Advice = fmt.Sprintf("one of them does not hear the other: \"lvsdr doctor director\" on %s names a rule that drops the advertisements there (firewall-vrrp); "+
			"a switch that drops multicast needs unicast", a.From)
		return p
	}
	p.What += "; " + strings.Join(differ, ", ")
	if e.Stage == AfterSetUp { // a change of them is set up on one director first
		p.Severity = Warning
	}
	p.Advice = "write the same on both directors, " + e.rereadVRRP()
	return p
}

// differences are what keeps a director from heeding another's advertisements (RFC 3768
// section 7.1; vrrp_check_packet in keepalived's vrrp.c).
func differences(i keepalived.Instance, a probe.Advert) (all []string) {
	tell := func(differ bool, format string, args ...any) {
		if differ {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	tell(a.RouterID != i.RouterID, "its router ID is %d, here it is %d", a.RouterID, i.RouterID)
	tell(i.Version != 0 && a.Version != i.Version, "it speaks version %d of VRRP, this director %d", a.Version, i.Version)
	// By version 3 a backup takes the master's interval.
	tell(i.Version == 2 && a.Version == 2 && a.Interval != i.Interval, "it advertises every %v, this director every %v", a.Interval, i.Interval)
	tell(i.Version == 2 && a.Version == 2 && a.Password != i.Password, "its password (auth) is another one than this director's")
	lacks := func(these, those []netip.Addr) []netip.Addr {
		return slices.DeleteFunc(slices.Clone(these), func(x netip.Addr) bool { return slices.Contains(those, x) || x.IsLinkLocalUnicast() })
	}
	more, less := lacks(a.Addresses, i.Addresses), lacks(i.Addresses, a.Addresses)
	tell(len(more) > 0, "it advertises %s too, which this director does not have in its list", addressList(more))
	tell(len(less) > 0, "it does not advertise %s, which this director has in its list", addressList(less))
	return all
}

// rereadVRRP is how what was written for VRRP comes into force.
func (e *Exam) rereadVRRP() string {
	if e.movesVIPs() {
		return "under vrrp and services in their files, then " + e.SetUpCommand() + " on both"
	}
	return "then, if keepalived -t says nothing, systemctl reload keepalived on both"
}

func (m master) shared(a probe.Advert) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a.Addresses), func(a netip.Addr) bool { return !slices.Contains(m.instance.Addresses, a) })
}

func addressList(all []netip.Addr) string {
	var texts []string
	for _, a := range all[:min(len(all), mostNamed)] {
		texts = append(texts, a.String())
	}
	if more := len(all) - mostNamed; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}

// sameNumber tells of another cluster's master. keepalived 2.2.7 begins its interval anew
// with each advertisement of its number, whosever it is (vrrp_dispatcher_read in
// vrrp_scheduler.c): a master that hears a stranger often enough advertises no more, and a
// backup takes over for a moment. 2.3.3 was seen to do none of this.
func (e *Exam) sameNumber(i keepalived.Instance, a probe.Advert) Problem {
	p := warning("", "%s (%s) advertises %s by VRRP with this cluster's router ID %d, and none of its VIPs: keepalived writes a line into the journal for each advertisement, "+
		"and where one of the two uses virtual MAC addresses (use_vmac) both have the same", a.From, a.MAC, addressList(a.Addresses), a.RouterID)
	if disturbs(i, a) {
		p.What += fmt.Sprintf("; it advertises every %v, this cluster every %v: a master of keepalived 2.2 that hears it puts its own advertisements off, "+
			"and a backup takes the VIPs for a moment, again and again (not with vrrp_lower_prio_no_advert, which set-up writes)", a.Interval, i.Interval)
	}
	p.Advice = "choose another number for one of the clusters, 1 to 255 and nobody else's on this LAN (virtual_router_id): " + e.rereadVRRP()
	if e.movesVIPs() {
		p.Advice = "choose another routerId under vrrp for this cluster, 1 to 255 and nobody else's on this LAN, or another number for the other one: " + e.rereadVRRP()
	}
	return p
}

// disturbs tells whether an advertisement that is not heeded keeps this cluster's master
// from advertising.
func disturbs(i keepalived.Instance, a probe.Advert) bool {
	return a.Interval <= i.Interval && !i.Undisturbed
}

// A toldMaster is what vrrp-master tells, so that vip-claim need not.
type toldMaster struct {
	macs []net.HardwareAddr // of masters beside the one
	// stranger: another cluster has this one's router ID and keeps its master from
	// advertising, so that directors come to have the VIPs in turn.
	stranger bool
}

func (t toldMaster) names(mac net.HardwareAddr) bool {
	return slices.ContainsFunc(t.macs, func(m net.HardwareAddr) bool { return bytes.Equal(m, mac) })
}

// toldByVRRP is what vrrp-master tells of those who claim the VIP. It listens only where
// somebody does.
func (e *Exam) toldByVRRP(ctx context.Context, vip netip.Addr, claimants []claimant) (told toldMaster, err error) {
	if len(claimants) == 0 {
		return told, nil
	}
	heard, err := e.masters(ctx)
	if errors.Is(err, host.ErrNoView) {
		return told, nil
	}
	for _, m := range heard {
		for _, a := range m.rivals() {
			if m.tooMany() && slices.Contains(a.Addresses, vip) {
				told.macs = append(told.macs, a.MAC)
			}
		}
		told.stranger = told.stranger || slices.ContainsFunc(m.strangers(), func(a probe.Advert) bool { return disturbs(m.instance, a) })
		unheard, err := e.unheard(ctx, m)
		if err != nil {
			return told, err
		}
		for _, u := range unheard {
			if slices.Contains(u.vips, vip) {
				told.macs = append(told.macs, u.mac)
			}
		}
	}
	return told, err
}
