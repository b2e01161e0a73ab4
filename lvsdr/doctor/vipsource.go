package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var vipSource = &Check{
	Code:  "vip-source",
	Title: "this host does not speak from the VIP of its own accord",
	Why: "A real server has the VIP too: what a director asks it from the VIP it takes for its own and never answers. " +
		"What a real server asks others from the VIP is answered to the director.",
	Step:  step.VIP,
	Needs: []*Check{linkUsable, vipMask, vipLink},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("set-up puts the VIP in its place"), nil
		}
		if e.Role == cluster.DirectorRole {
			return e.directorSources(ctx)
		}
		return e.realServerSources(ctx)
	},
}

// directorSources tells from which VIPs the director reaches its real servers, the
// real servers of one in one problem.
func (e *Exam) directorSources(ctx context.Context) ([]Problem, error) {
	reached := map[host.Route][]string{}
	var order []host.Route
	for _, rip := range e.Config.RIPs() {
		r, err := e.Route(ctx, rip)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r.Local || !e.isVIP(r.Source) {
			continue
		}
		if reached[r] == nil {
			order = append(order, r)
		}
		reached[r] = append(reached[r], rip.String())
	}
	var problems []Problem
	for _, r := range order {
		p, err := e.speaksFrom(ctx, r, reached[r])
		if err != nil {
			return problems, err
		}
		problems = append(problems, p)
	}
	return problems, nil
}

// speaksFrom tells that real servers are reached from a VIP, and how that ends.
func (e *Exam) speaksFrom(ctx context.Context, r host.Route, rips []string) (Problem, error) {
	at, err := e.AddressesOf(ctx, r.Source)
	if err != nil {
		return Problem{}, err
	}
	i := slices.IndexFunc(at, func(a host.Address) bool { return a.Link == r.Link })
	p := problem("", "packets to %s leave by %s from the VIP %s", firstFew(rips), r.Link, r.Source)
	rip, _ := netip.ParseAddr(rips[0])
	switch own, err := e.ownIn(ctx, r.Link, rip); {
	case err != nil:
		return p, err
	case r.Source.Is6() && i >= 0 && own.IsValid():
		p.Fix = fmt.Sprintf("ip addr change %s dev %s preferred_lft 0", at[i].Prefix, host.ShellWord(r.Link))
	case own.IsValid() && i >= 0 && !at[i].Prefix.IsSingleIP():
		if p.Fix, err = e.secondPlace(ctx, at[i]); err != nil {
			return p, err
		}
	case own.IsValid():
		p.Fix = otherSource(rips[0], r.Source, own)
	default:
		p.What += fmt.Sprintf(": %s has no address of its own there", r.Link)
		p.Advice = e.ownFirst(rip, r, at)
	}
	return p, nil
}

// ownIn is the host's own address on a link by which an address there is reached.
func (e *Exam) ownIn(ctx context.Context, link string, to netip.Addr) (netip.Addr, error) {
	addresses, err := e.Addresses(ctx)
	for _, a := range addresses {
		if a.Link == link && !e.isVIP(a.Prefix.Addr()) && !a.Prefix.IsSingleIP() && a.Prefix.Contains(to) {
			return a.Prefix.Addr(), err
		}
	}
	return netip.Addr{}, err
}

// secondPlace is the command that has a VIP as /32 and the other addresses of its
// subnet before it.
func (e *Exam) secondPlace(ctx context.Context, vip host.Address) (string, error) {
	remove, err := e.removeAddress(ctx, vip)
	return commands(addVIP(vip.Prefix.Addr(), vip.Link, cluster.DirectorRole), remove), err
}

// otherSource is the command that has the route to an address name another source.
func otherSource(to string, vip, own netip.Addr) string {
	family := "ip"
	if vip.Is6() {
		family = "ip -6"
	}
	return fmt.Sprintf("%s route replace $(%s -o route get fibmatch %s | sed 's/ src %s / src %s /')", family, family, to, vip, own)
}

// ownFirst is the way to an own address, which nobody but its owner knows.
func (e *Exam) ownFirst(rip netip.Addr, r host.Route, at []host.Address) string {
	steps := []string{"give it one that is free (" + host.OwnAddressCommand(rip, r.Link) + ")"}
	for _, a := range at {
		if a.Link == r.Link && !a.Prefix.IsSingleIP() {
			fix := addVIP(r.Source, r.Link, cluster.DirectorRole)
			if r.Source.Is4() {
				fix = commands(sysctlCommand("1", host.PromoteSecondaries(r.Link)), fix, fmt.Sprintf("ip addr del %s dev %s", a.Prefix, host.ShellWord(a.Link)))
			} else {
				fix = commands(fmt.Sprintf("ip addr del %s dev %s", a.Prefix, host.ShellWord(a.Link)), fix)
			}
			steps = append(steps, "then make the VIP a host address beside it: "+fix)
		}
	}
	return strings.Join(steps, "; ")
}

// firstFew names the first few and tells how many more there are.
func firstFew(names []string) string {
	const shown = 3
	text := strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// realServerSources tells whether the real server talks to others from a VIP: beyond
// its gateway, to its gateway, and on its LAN. It serves clients all the same.
func (e *Exam) realServerSources(ctx context.Context) ([]Problem, error) {
	var problems []Problem
	told := map[string]bool{}
	for _, vip := range e.Config.VIPs() {
		for _, to := range e.partners(ctx, vip) {
			r, err := e.Route(ctx, to)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return problems, err
			}
			if r.Local || !e.isVIP(r.Source) || told[r.Link+r.Source.String()] {
				continue
			}
			told[r.Link+r.Source.String()] = true
			p := warning("", "what this host itself sends to %s leaves by %s from the VIP %s; the answer goes to the director", to, r.Link, r.Source)
			if own, err := e.ownAddress(ctx, r.Link, to); err == nil && own.IsValid() {
				p.Fix = otherSource(to.String(), r.Source, own)
			} else {
				p.Advice = "give " + r.Link + " an address of its own, or name one as the source of the route (src)"
			}
			problems = append(problems, p)
		}
	}
	return problems, nil
}

// partners are addresses that a real server may have to talk to.
func (e *Exam) partners(ctx context.Context, vip netip.Addr) []netip.Addr {
	all := []netip.Addr{e.someClient(vip)}
	if r, err := e.Route(ctx, all[0]); err == nil && r.Gateway.IsValid() {
		all = append(all, r.Gateway)
	}
	for _, rip := range e.RealServers(vip) {
		if own, err := e.AddressesOf(ctx, rip); err == nil && len(own) == 0 {
			all = append(all, rip)
			break
		}
	}
	if lan, err := e.LAN(ctx, vip); err == nil {
		subnets, _ := e.subnets(ctx, lan.Name)
		for _, p := range subnets {
			if p.Addr().Is4() == vip.Is4() && !p.Addr().IsLinkLocalUnicast() {
				all = append(all, p.Addr().Next())
			}
		}
	}
	return all
}
