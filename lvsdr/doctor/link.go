package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

var linkUsable = &Check{
	Code:  "link",
	Title: "the LAN's interface is up and answers ARP",
	Why:   "Nobody on the LAN reaches this host, or finds the VIP there.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		var problems []Problem
		judged := map[string]bool{}
		for _, vip := range e.Config.VIPs() {
			links, missing, err := e.linksOf(ctx, vip)
			if err != nil {
				return problems, err
			}
			if missing != nil && !judged[missing.What] {
				judged[missing.What] = true
				problems = append(problems, *missing)
			}
			for _, l := range links {
				if !judged[l.Name] {
					found, err := e.quietly(l, unusable(l, vip))
					problems = append(problems, found...)
					if err != nil {
						return problems, err
					}
				}
				judged[l.Name] = true
			}
		}
		if e.Stage == BeforeSetUp { // set-up itself refuses what it cannot use
			for i := range problems {
				problems[i].Severity = Warning
			}
		}
		return problems, nil
	},
}

// quietly has a real server's interface be silent about an IPv4 VIP before a fix has it
// answer again.
func (e *Exam) quietly(l host.Link, problems []Problem) ([]Problem, error) {
	if e.Role != cluster.RealServerRole || e.Stage == BeforeSetUp || !slices.ContainsFunc(e.Config.VIPs(), netip.Addr.Is4) {
		return problems, nil
	}
	for i, p := range problems {
		if p.Fix == "" {
			continue
		}
		quiet, err := e.silenceOn(l.Name)
		if err != nil {
			return problems, err
		}
		problems[i].Fix = commands(quiet, p.Fix)
	}
	return problems, nil
}

// linksOf are the interfaces that the VIP's packets need here: the LAN's and, on a
// director, those that carry the VIP; or the problem that there is none.
func (e *Exam) linksOf(ctx context.Context, vip netip.Addr) (links []host.Link, missing *Problem, err error) {
	lan, err := e.LAN(ctx, vip)
	switch {
	case errors.Is(err, ErrNoLAN) || errors.Is(err, fs.ErrNotExist):
		there, err2 := e.Links(ctx)
		p := problem("", "%v; this host has %s", err, linkStates(there))
		p.Advice = "name the right one (--interface, or \"interface\" in the configuration), or give this host an address on the LAN"
		if e.Role == cluster.ClientRole {
			p.Advice = "run it on a host of the VIP's LAN; here, name the interface (--interface) if there is one"
		}
		missing, err = &p, err2
	case err == nil:
		links = append(links, lan)
	}
	if err != nil || e.Role != cluster.DirectorRole {
		return links, missing, err
	}
	at, err := e.AddressesOf(ctx, vip)
	for _, a := range at {
		l, ok, err := e.Link(ctx, a.Link)
		if err != nil {
			return links, missing, err
		}
		if ok && !l.Loopback && l.Kind != "dummy" {
			links = append(links, l)
		}
	}
	return links, missing, err
}

// linkStates tells of every interface but loopback.
func linkStates(links []host.Link) string {
	var names []string
	for _, l := range links {
		switch {
		case l.Loopback:
		case l.Up:
			names = append(names, l.Name)
		default:
			names = append(names, l.Name+" (down)")
		}
	}
	if len(names) == 0 {
		return "no interface but loopback"
	}
	return strings.Join(names, ", ")
}

// unusable tells why nobody finds an address that the interface carries.
func unusable(l host.Link, vip netip.Addr) []Problem {
	var p Problem
	switch {
	case l.Loopback:
		p = problem("", "interface %s is the loopback interface, which is on no LAN", l.Name)
		p.Advice = "name the LAN's (--interface, or \"interface\" in the configuration)"
	case !l.Up:
		p = problem(host.ShellLine("ip", "link", "set", "dev", l.Name, "up"), "interface %s is down", l.Name)
		p.Advice = "routes that went through it, such as the default one, are gone and are to be added again"
		if vip.Is6() {
			p.Advice += "; so are its IPv6 addresses"
		}
	case l.NoARP:
		p = problem(host.ShellLine("ip", "link", "set", "dev", l.Name, "arp", "on"), "interface %s does not answer ARP (NOARP)", l.Name)
	case !l.Carrier:
		p = problem("", "interface %s is up but has no carrier", l.Name)
		p.Advice = "look at its cable, the switch's port, or the lower interface that it belongs to"
	default:
		return nil
	}
	return []Problem{p}
}
