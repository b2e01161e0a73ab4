package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var vipLink = &Check{
	Code:  "vip-link",
	Title: "the VIP is on the kind of interface where it belongs",
	Why: "On a real server the LAN must not find the VIP: it belongs on loopback or a dummy. " +
		"On a director the LAN must find it: it belongs on the LAN's interface.",
	Step:  step.VIP,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("set-up puts the VIP in its place"), nil
		}
		judge := e.shown
		if e.Role == cluster.DirectorRole {
			judge = e.hidden
		}
		var problems []Problem
		for _, vip := range e.Config.VIPs() {
			at, err := e.AddressesOf(ctx, vip)
			if err != nil {
				return problems, err
			}
			if len(at) == 0 {
				continue // vip tells of one that is missing
			}
			found, err := judge(ctx, vip, at)
			problems = append(problems, found...)
			if err != nil {
				return problems, err
			}
		}
		return problems, nil
	},
}

// exposed tells whether the LAN finds an address because of the interface that it
// is on.
func (e *Exam) exposed(ctx context.Context, a host.Address) (bool, error) {
	links, err := e.answering(ctx)
	i := slices.IndexFunc(links, func(l host.Link) bool { return l.Name == a.Link })
	if err != nil || i < 0 {
		return false, err
	}
	switch links[i].Kind {
	case "macvlan", "macvtap", "ipvlan": // one more host on the LAN of another interface
		return true, nil
	}
	fronts, err := e.fronts(ctx, a.Prefix.Addr())
	if err != nil || slices.ContainsFunc(fronts, func(f front) bool { return f.link.Name == a.Link && !f.assumed }) {
		return err == nil, err
	}
	inlets, err := e.inlets(ctx, a.Prefix.Addr())
	if errors.Is(err, ErrNoLAN) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(inlets, func(l host.Link) bool { return l.Name == a.Link }), err
}

// shown tells of a real server's VIP that the LAN finds.
func (e *Exam) shown(ctx context.Context, vip netip.Addr, at []host.Address) ([]Problem, error) {
	hidden := false
	var shown []host.Address
	for _, a := range at {
		exposed, err := e.exposed(ctx, a)
		if err != nil {
			return nil, err
		}
		if !exposed {
			hidden = true
			continue
		}
		silent, err := e.arpSilenced(ctx, a)
		if err != nil {
			return nil, err
		}
		if !silent {
			shown = append(shown, a)
		}
	}
	if p := e.balancedHere(ctx, vip, shown); p != nil {
		return p, nil
	}
	var problems []Problem
	for _, a := range shown {
		fix := ""
		if !hidden {
			hidden = true
			var err error
			if fix, err = e.bringVIP(ctx, vip, "lo"); err != nil {
				return nil, err
			}
		}
		remove, err := e.removeAddress(ctx, a)
		if err != nil {
			return nil, err
		}
		problems = append(problems, problem(commands(fix, remove),
			"the VIP %s is on an interface of the LAN, where this host answers for it", a))
	}
	return problems, nil
}

// balancedHere is a host that is the director of a VIP that its LAN finds, and is looked
// at as a real server: taking the VIP away would end the service.
func (e *Exam) balancedHere(ctx context.Context, vip netip.Addr, shown []host.Address) []Problem {
	table, err := e.Table(ctx)
	if err != nil || len(shown) == 0 || !slices.ContainsFunc(table, func(v ipvs.Entry) bool { return v.Addr == vip }) {
		return nil
	}
	p := problem("", "the VIP %s is on %s, and this host balances it: it is a director, and not judged as a real server", vip, places(shown))
	p.Advice = "examine it as one: lvsdr doctor director. If it is to be a real server alone, lvsdr teardown director, or take the service and the VIP away by hand"
	return []Problem{p}
}

// hidden tells of a director's VIP that the LAN does not find, and of one that is on
// loopback as well.
func (e *Exam) hidden(ctx context.Context, vip netip.Addr, at []host.Address) ([]Problem, error) {
	var carriers, spare []host.Address
	answering, err := e.answering(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range at {
		if slices.ContainsFunc(answering, func(l host.Link) bool { return l.Name == a.Link }) {
			carriers = append(carriers, a)
		} else {
			spare = append(spare, a)
		}
	}
	onNamed := e.lanName(vip) == "" || slices.ContainsFunc(carriers, func(a host.Address) bool { return a.Link == e.lanName(vip) })
	if len(carriers) == 0 || !onNamed {
		return e.carriedElsewhere(ctx, vip, at)
	}
	problems, err := e.mute(ctx, carriers)
	if keeps, err2 := e.servesAsBackup(ctx, vip); keeps || err != nil || err2 != nil {
		return problems, errors.Join(err, err2)
	}
	for _, a := range spare {
		if l, _, err := e.Link(ctx, a.Link); err != nil || !l.Loopback || !a.Prefix.IsSingleIP() { // a wide one is vip-mask's
			continue
		}
		remove, err := e.removeAddress(ctx, a)
		if err != nil {
			return problems, err
		}
		problems = append(problems, warning(remove,
			"the VIP %s is on %s as well as on %s, as on a real server: without the latter this host would go on taking its packets",
			vip, a.Link, places(carriers)))
	}
	return problems, err
}

// servesAsBackup tells whether a director's VIP on loopback has its use: the host is one of
// the real servers, and serves as one while another director has the VIP.
func (e *Exam) servesAsBackup(ctx context.Context, vip netip.Addr) (bool, error) {
	for _, rip := range e.RealServers(vip) {
		if at, err := e.AddressesOf(ctx, rip); err != nil || len(at) > 0 {
			return err == nil, err
		}
	}
	own, err := e.ownOpenings(ctx)
	return slices.ContainsFunc(own, func(o host.Opening) bool { return o.VIP == vip }), err
}

// carriedElsewhere tells whether the LAN finds a VIP that none of its interfaces carries: an
// IPv4 one while the LAN's interface answers for every address of the host.
func (e *Exam) carriedElsewhere(ctx context.Context, vip netip.Addr, at []host.Address) ([]Problem, error) {
	lan, err := e.LAN(ctx, vip)
	if err != nil {
		return nil, err
	}
	because := "and neighbour discovery answers only for addresses of the interface that was asked on"
	if vip.Is4() {
		v, err := e.effective("arp_ignore", lan.Name)
		if err != nil || v.answers(at) {
			return nil, err
		}
		because = fmt.Sprintf("and %s: no answer for an address elsewhere", v)
	}
	if m, err := e.moverOf(ctx, vip); m.name != "" && m.holds == "" || err != nil {
		return skip("%s, which runs here, may have given the VIP %s to another director", m.name, vip), err
	}
	what := fmt.Sprintf("the VIP %s is on %s only, not on the LAN's %s, %s", vip, places(at), lan.Name, because)
	fix, err := e.bringVIP(ctx, vip, lan.Name)
	if err != nil || fix == e.SetUpCommand() { // which takes the others away
		return []Problem{problem(fix, "%s", what)}, err
	}
	for _, a := range at {
		remove, err := e.removeAddress(ctx, a)
		if err != nil {
			return nil, err
		}
		if vip.Is6() { // the kernel has an IPv6 address once
			fix = commands(remove, fix)
		} else {
			fix = commands(fix, remove)
		}
	}
	p := problem("", "%s", what)
	p.Advice = takeOver(fix, vip, lan.Name)
	subnets, err := e.subnets(ctx, lan.Name)
	if err == nil && !slices.ContainsFunc(subnets, func(s netip.Prefix) bool { return s.Contains(vip) }) {
		p.Severity = Warning
		p.Advice = fmt.Sprintf("A router with a route to %s by way of this host's own address does not ask for it, and nothing is wrong. Where it is asked for: ", vip) + p.Advice
	}
	return []Problem{p}, err
}

// mute tells of interfaces that carry the VIP and do not answer for it.
func (e *Exam) mute(ctx context.Context, carriers []host.Address) ([]Problem, error) {
	var problems []Problem
	for _, a := range carriers {
		if a.Prefix.Addr().Is6() {
			continue
		}
		v, err := e.effective("arp_ignore", a.Link)
		if err != nil {
			return problems, err
		}
		subnets, err := e.subnets(ctx, a.Link)
		if err != nil {
			return problems, err
		}
		on := append(subnets, a.Prefix)
		inSubnet := slices.ContainsFunc(on, func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(a.Prefix.Addr()) })
		if v.value == "8" || v.value == "2" && !inSubnet {
			problems = append(problems, problem(v.command("1"), "%s: no answer for the VIP %s", v, a))
		}
	}
	return problems, nil
}
