package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/probe"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var arpIgnore = &Check{
	Code:  "arp-ignore",
	Title: "this host does not answer ARP for the VIP",
	Why:   "A real server that answers ARP for the VIP draws clients past the director, until their ARP entry expires.",
	Step:  step.Sysctls,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.eachFront(ctx, (*Exam).answersFor)
	},
}

var arpAnnounce = &Check{
	Code:  "arp-announce",
	Title: "this host does not ask ARP in the VIP's name",
	Why:   "Whoever hears an ARP question takes its sender for the owner of the sender's address.",
	Step:  step.Sysctls,
	Needs: []*Check{linkUsable, vipSource},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Role == cluster.DirectorRole {
			return e.asksAsDirector(ctx)
		}
		return e.eachFront(ctx, (*Exam).asksAs)
	},
}

// eachFront judges each interface on which a VIP that this host holds may be asked
// for, until something is found there.
func (e *Exam) eachFront(ctx context.Context, judge func(*Exam, context.Context, front) ([]Problem, error)) ([]Problem, error) {
	fronts, why, err := e.heldFronts(ctx)
	if err != nil || len(fronts) == 0 {
		return why, err
	}
	var problems []Problem
	ill := map[string]bool{}
	for _, f := range fronts {
		if ill[f.link.Name] {
			continue
		}
		found, err := judge(e, ctx, f)
		problems = append(problems, found...)
		if err != nil {
			return problems, err
		}
		ill[f.link.Name] = len(found) > 0
	}
	return problems, nil
}

// heldFronts are those of the IPv4 VIPs that this host holds, or why there are none.
func (e *Exam) heldFronts(ctx context.Context) (all []front, why []Problem, err error) {
	why = skip("there is no IPv4 VIP")
	for _, vip := range e.Config.VIPs() {
		if vip.Is6() {
			continue
		}
		why = skip("this host does not have the VIP %s", vip)
		held, err := e.Takes(ctx, vip)
		if err != nil {
			return nil, nil, err
		}
		if !held {
			continue
		}
		why = skip("this host has no interface with an address of its own, on which somebody could ask for the VIP %s", vip)
		fronts, err := e.fronts(ctx, vip)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, fronts...)
	}
	return all, why, nil
}

// answersFor tells of an interface on which this real server answers for a VIP that
// is elsewhere on the host. With arp_ignore=8 it answers for nothing, its RIP
// included: where the director has that written down it works, and where it has not
// the director says so (real-server).
func (e *Exam) answersFor(ctx context.Context, f front) ([]Problem, error) {
	vip := f.vip
	v, err := e.effective("arp_ignore", f.link.Name)
	if err != nil {
		return nil, err
	}
	at, err := e.AddressesOf(ctx, vip)
	if err != nil || !v.answers(at) {
		return nil, err
	}
	if dropped, err := e.dropsARP(ctx, vip); dropped || err != nil {
		return nil, err
	}
	if e.legacyARP() {
		return skip("%s, but arptables-legacy has rules, which lvsdr does not read: vip-claim on another host tells whether this one answers for the VIP %s", v, vip), nil
	}
	fix, err := e.countAs(v, "1")
	if err != nil {
		return nil, err
	}
	p := problem(fix, "%s: this host answers for the VIP %s", v, vip)
	if lo, err := e.Host.Sysctl.Get("net/ipv4/conf/lo/arp_ignore"); err == nil && !(effective{value: lo}).answers(at) {
		p.What += fmt.Sprintf("; conf.lo's %s has no say, the interface that the question comes in on decides", lo)
	}
	return e.onItsWire(ctx, f, p)
}

// onItsWire weighs what this host says of a VIP that is in no subnet of its own: it
// harms where another host, its director, answers for the VIP on that wire, and nobody
// where the VIP is routed to its director.
func (e *Exam) onItsWire(ctx context.Context, f front, p Problem) ([]Problem, error) {
	if !f.assumed {
		return []Problem{p}, nil
	}
	if e.Passive {
		p.Severity = Warning
		p.What += fmt.Sprintf("; no subnet of this host has it, and whether it is on the wire of %s is only seen without --passive", f.link.Name)
		p.Advice = "it is no harm where the VIP is routed to its director, and nobody asks ARP for it"
		return []Problem{p}, nil
	}
	asked := probe.Question{Target: f.vip}
	var err error
	if !hearsProbes(f.link) {
		if asked.Source, err = e.ownAddress(ctx, f.link.Name, f.vip); err != nil {
			return nil, err
		}
	}
	var answers []probe.Answer
	if err = e.ask(ctx, f.link.Name, []probe.Question{asked}, []*[]probe.Answer{&answers}, e.wait()); err != nil {
		return nil, fmt.Errorf("whether the VIP %s is on the wire of %s: %w", f.vip, f.link.Name, err)
	}
	if len(answers) == 0 {
		return nil, nil
	}
	p.What += fmt.Sprintf("; no subnet of this host has it, but it is on the wire of %s: %s answers for it too", f.link.Name, answers[0].MAC)
	return []Problem{p}, nil
}

// answers tells what the kernel's arp_ignore (net/ipv4/arp.c) comes to for an
// address that is not on the interface asked on, or only as a local route: 1 and 2
// answer for the interface's own, 3 for all but those of scope host, 8 for none, all
// others for every address.
func (v effective) answers(at []host.Address) bool {
	const scopeHost = 254 // RT_SCOPE_HOST
	switch v.value {
	case "1", "2", "8":
		return false
	case "3":
		return slices.ContainsFunc(at, func(a host.Address) bool { return a.Scope < scopeHost })
	}
	return true
}

// arpSilenced tells whether this host does not answer for an IPv4 address on the
// interface that has it.
func (e *Exam) arpSilenced(ctx context.Context, a host.Address) (bool, error) {
	if a.Prefix.Addr().Is6() {
		return false, nil
	}
	return e.dropsARP(ctx, a.Prefix.Addr())
}

// asksAs tells of an interface on which this real server asks for others in the
// name of the VIP, as the sender of the packet that waits for the answer.
func (e *Exam) asksAs(ctx context.Context, f front) ([]Problem, error) {
	vip := f.vip
	v, err := e.effective("arp_announce", f.link.Name)
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
	fix, err := e.countAs(v, "2")
	if err != nil {
		return nil, err
	}
	return e.onItsWire(ctx, f, problem(fix, what, v, vip))
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
