package lvsdr

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

var arpIgnore = &Check{
	Code:  "arp-ignore",
	Title: "this host does not answer ARP for the VIP",
	Why:   "A real server that answers ARP for the VIP draws clients past the director, until their ARP entry expires.",
	Step:  "sysctls",
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.eachFront(ctx, (*Exam).answersFor)
	},
}

var arpAnnounce = &Check{
	Code:  "arp-announce",
	Title: "this host does not ask ARP in the VIP's name",
	Why:   "Whoever hears an ARP question takes its sender for the owner of the sender's address.",
	Step:  "sysctls",
	Needs: []*Check{linkUsable, vipSource},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Role == DirectorRole {
			return e.asksAsDirector(ctx)
		}
		return e.eachFront(ctx, (*Exam).asksAs)
	},
}

// eachFront judges each interface on which the VIPs that this host holds may be
// asked for, once.
func (e *Exam) eachFront(ctx context.Context, judge func(e *Exam, ctx context.Context, l Link, vip netip.Addr) ([]Problem, error)) ([]Problem, error) {
	var problems []Problem
	judged := map[string]bool{}
	unasked := skip("there is no IPv4 VIP")
	for _, vip := range e.Config.vips() {
		if vip.Is6() {
			continue
		}
		held, err := e.takes(ctx, vip)
		if err != nil {
			return problems, err
		}
		if !held {
			unasked = skip("this host does not have the VIP %s", vip)
			continue
		}
		fronts, err := e.fronts(ctx, vip)
		if err != nil {
			return problems, err
		}
		unasked = skip("no interface of this host has the VIP %s in its subnet", vip)
		for _, l := range fronts {
			if judged[l.Name] {
				continue
			}
			found, err := judge(e, ctx, l, vip)
			problems = append(problems, found...)
			if err != nil {
				return problems, err
			}
			judged[l.Name] = len(found) > 0
		}
		if len(fronts) > 0 {
			unasked = nil
		}
	}
	if len(problems) == 0 && len(judged) == 0 {
		return unasked, nil
	}
	return problems, nil
}

// answersFor tells of an interface on which this real server answers for a VIP that
// is elsewhere on the host. With arp_ignore=8 it answers for nothing, its RIP
// included: where the director has that written down it works, and where it has not
// the director says so (real-server).
func (e *Exam) answersFor(ctx context.Context, l Link, vip netip.Addr) ([]Problem, error) {
	v, err := e.effective("arp_ignore", l.Name)
	if err != nil {
		return nil, err
	}
	at, err := e.addressesOf(ctx, vip)
	if err != nil || !v.answers(at) {
		return nil, err
	}
	if dropped, err := e.dropsARP(ctx, vip); dropped || err != nil {
		return nil, err
	}
	if e.legacyARP() {
		return skip("%s, but arptables-legacy has rules, which lvsdr does not read: vip-claim on another host tells whether this one answers for the VIP %s", v, vip), nil
	}
	p := problem(v.command("1"), "%s: this host answers for the VIP %s", v, vip)
	if lo, err := e.Host.Sysctl.Get("net/ipv4/conf/lo/arp_ignore"); err == nil && !(effective{value: lo}).answers(at) {
		p.What += fmt.Sprintf("; conf.lo's %s has no say, the interface that the question comes in on decides", lo)
	}
	return []Problem{p}, nil
}

// answers tells what the kernel's arp_ignore (net/ipv4/arp.c) comes to for an
// address that is not on the interface asked on, or only as a local route: 1 and 2
// answer for the interface's own, 3 for all but those of scope host, 8 for none, all
// others for every address.
func (v effective) answers(at []Address) bool {
	const scopeHost = 254 // RT_SCOPE_HOST
	switch v.value {
	case "1", "2", "8":
		return false
	case "3":
		return slices.ContainsFunc(at, func(a Address) bool { return a.Scope < scopeHost })
	}
	return true
}

// arpSilenced tells whether this host does not answer for an IPv4 address on the
// interface that has it.
func (e *Exam) arpSilenced(ctx context.Context, a Address) (bool, error) {
	if a.Prefix.Addr().Is6() {
		return false, nil
	}
	return e.dropsARP(ctx, a.Prefix.Addr())
}

// asksAs tells of an interface on which this real server asks for others in the
// name of the VIP, as the sender of the packet that waits for the answer.
func (e *Exam) asksAs(ctx context.Context, l Link, vip netip.Addr) ([]Problem, error) {
	v, err := e.effective("arp_announce", l.Name)
	if err != nil {
		return nil, err
	}
	asks, err := e.asks(ctx, v, vip)
	if !asks || err != nil {
		return nil, err
	}
	if dropped, err := e.dropsARP(ctx, vip); dropped || err != nil {
		return nil, err
	}
	if e.legacyARP() {
		return skip("%s, but arptables-legacy has rules, which lvsdr does not read", v), nil
	}
	what := "%s: with a reply to send, this host asks ARP in the name of the VIP %s"
	if v.value == "1" {
		what += ", which is in the interface's subnet"
	}
	return []Problem{problem(v.command("2"), what, v, vip)}, nil
}

// asks tells what arp_announce comes to (arp_solicit in net/ipv4/arp.c): 2 takes an
// address of the interface, 1 does unless the VIP is in its subnet, all others take
// the packet's.
func (e *Exam) asks(ctx context.Context, v effective, vip netip.Addr) (bool, error) {
	switch v.value {
	case "2":
		return false, nil
	case "1":
		subnets, err := e.subnets(ctx, v.link)
		return slices.ContainsFunc(subnets, func(p netip.Prefix) bool { return p.Contains(vip) }), err
	}
	return true, nil
}

// asksAsDirector tells of a director that asks for its real servers in the VIP's
// name. What it forwards comes from clients; only what somebody on the director
// himself sends to the VIP goes to a real server with the VIP as its source, and the
// table's connections tell of that.
func (e *Exam) asksAsDirector(ctx context.Context) ([]Problem, error) {
	connections, err := e.connections(ctx)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, vip := range e.Config.vips() {
		if vip.Is6() {
			continue
		}
		count := 0
		for _, c := range connections {
			if c.Client.Addr() == vip {
				count++
			}
		}
		if count == 0 {
			continue
		}
		lan, err := e.lan(ctx, vip)
		if err != nil {
			return problems, err
		}
		v, err := e.effective("arp_announce", lan.Name)
		if err != nil {
			return problems, err
		}
		asks, err := e.asks(ctx, v, vip)
		if err != nil {
			return problems, err
		}
		if asks {
			p := warning(v.command("2"), "%s, and %d of the connections to the VIP %s came from this host itself: "+
				"for them it asks for a real server in the name of the VIP, which that has too and does not answer; clients wait meanwhile", v, count, vip)
			p.Advice = "nor are such connections ever served: try the VIP from another host"
			problems = append(problems, p)
		}
	}
	return problems, nil
}
