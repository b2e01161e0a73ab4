package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var vipMask = &Check{
	Code:  "vip-mask",
	Title: "no address off the LAN has a mask so wide that it takes the LAN's hosts for this one",
	Why: "With 10.10.10.22/24 on lo all of 10.10.10.0/24 is this host itself: it neither reaches the others there nor answers them. " +
		"On a dummy it is a second way to the LAN, which may win.",
	Step:  step.VIP,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("set-up puts the VIP in its place"), nil
		}
		links, err := e.Links(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, l := range links {
			judge := e.secondWays
			if l.Loopback {
				judge = e.swallowed
			} else if !l.NoARP {
				continue
			}
			found, err := judge(ctx, l.Name)
			problems = append(problems, found...)
			if err != nil {
				return problems, err
			}
		}
		return problems, nil
	},
}

// swallowed tells of prefixes of which the kernel takes every address for its own.
// Those are no fault where nobody else has an address in them (AnyIP).
func (e *Exam) swallowed(ctx context.Context, lo string) ([]Problem, error) {
	local, err := e.Host.Observer.Local(ctx, lo)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, p := range local {
		if p.IsSingleIP() || p.Addr().IsLoopback() {
			continue
		}
		lost, err := e.others(ctx, p)
		if err != nil {
			return problems, err
		}
		at, err := e.addressesIn(ctx, lo, p)
		if err != nil {
			return problems, err
		}
		switch {
		case lost != "" && len(at) > 0:
			problems = append(problems, problem(replaceByHosts(at), "%s makes every address of %s this host's own, %s too", at[0], p, lost))
		case lost != "":
			problems = append(problems, problem(e.vipsAlone(lo, p), "a local route makes every address of %s this host's own, %s too", p, lost))
		case slices.ContainsFunc(at, func(a host.Address) bool { return e.isVIP(a.Prefix.Addr()) }):
			problems = append(problems, warning(replaceByHosts(at),
				"%s makes every address of %s this host's own: a client there would never be answered", at[0], p))
		}
	}
	more, err := e.secondWays(ctx, lo)
	return append(problems, more...), err
}

// others tells whose addresses are in a prefix that are not this host's: the other
// real servers, the default gateway, or an interface's subnet.
func (e *Exam) others(ctx context.Context, p netip.Prefix) (string, error) {
	addresses, err := e.Addresses(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		l, ok, err := e.Link(ctx, a.Link)
		if err != nil {
			return "", err
		}
		if ok && !l.Loopback && !l.NoARP && !a.Prefix.IsSingleIP() && a.Prefix.Overlaps(p) {
			return fmt.Sprintf("those of the hosts on %s, %s,", a.Link, a.Prefix.Masked()), nil
		}
	}
	for _, rip := range e.Config.RIPs() {
		own := slices.ContainsFunc(addresses, func(a host.Address) bool { return a.Prefix.Addr() == rip && a.Link != "lo" })
		if p.Contains(rip) && !own {
			return "that of the real server " + rip.String(), nil
		}
	}
	return "", nil
}

// addressesIn are those of a link whose subnet is the prefix.
func (e *Exam) addressesIn(ctx context.Context, link string, p netip.Prefix) ([]host.Address, error) {
	addresses, err := e.Addresses(ctx)
	return slices.DeleteFunc(slices.Clone(addresses), func(a host.Address) bool {
		return a.Link != link || a.Prefix.Masked() != p
	}), err
}

// vipsAlone is the command that has a local route to the VIPs alone.
func (e *Exam) vipsAlone(lo string, p netip.Prefix) string {
	fix := ""
	for _, vip := range e.Config.VIPs() {
		if p.Contains(vip) {
			fix = commands(fix, fmt.Sprintf("ip route replace local %s dev %s", host.HostPrefix(vip), host.ShellWord(lo)))
		}
	}
	return commands(fix, fmt.Sprintf("ip route del local %s dev %s", p, host.ShellWord(lo)))
}

// replaceByHosts is the command that has addresses of one subnet as /32 or /128
// alone, in IPv4 without a moment in between. A primary address goes last, because
// it takes the others along.
func replaceByHosts(at []host.Address) string {
	var add, remove string
	for _, a := range slices.Backward(at) {
		remove = commands(remove, fmt.Sprintf("ip addr del %s dev %s", a.Prefix, host.ShellWord(a.Link)))
	}
	for _, a := range at {
		one := fmt.Sprintf("ip addr add %s dev %s", host.HostPrefix(a.Prefix.Addr()), host.ShellWord(a.Link))
		if a.Prefix.Addr().Is4() {
			one += labelled(a.Link)
		}
		add = commands(add, one)
	}
	if at[0].Prefix.Addr().Is6() {
		return commands(remove, add)
	}
	return commands(add, remove)
}

// secondWays tells of VIPs with a subnet, on an interface that is not on the LAN:
// the kernel has another route to the subnet then, and takes the one that came first.
func (e *Exam) secondWays(ctx context.Context, link string) ([]Problem, error) {
	addresses, err := e.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	l, _, err := e.Link(ctx, link)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, a := range addresses {
		vip := a.Prefix.Addr()
		if a.Link != link || a.Prefix.IsSingleIP() || a.NoPrefixRoute || !e.isVIP(vip) || l.Loopback && vip.Is4() {
			continue
		}
		lost, err := e.others(ctx, a.Prefix.Masked())
		if err != nil {
			return problems, err
		}
		if lost == "" {
			continue // its subnet is nobody's
		}
		r, err := e.Route(ctx, neighbourIn(a.Prefix))
		p := warning(replaceByHosts([]host.Address{a}), "the VIP %s is a second way to %s, and is taken when the other one goes and comes again", a, a.Prefix.Masked())
		if err == nil && r.Link == a.Link {
			p = problem(p.Fix, "the VIP %s draws the packets to %s there, away from %s", a, a.Prefix.Masked(), lost)
		}
		problems = append(problems, p)
	}
	return problems, nil
}

// neighbourIn is an address in the subnet that is not this one.
func neighbourIn(p netip.Prefix) netip.Addr {
	if next := p.Addr().Next(); p.Contains(next) {
		return next
	}
	return p.Addr().Prev()
}
