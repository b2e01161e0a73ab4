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
)

var rpFilter = &Check{
	Code:  "rp-filter",
	Title: "the reverse path filter lets clients' packets in",
	Why:   "A strict reverse path filter drops what comes in by another interface than the one that leads back to its sender.",
	Needs: []*Check{linkUsable, vipHeld, vipMask},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if !slices.ContainsFunc(e.Config.VIPs(), netip.Addr.Is4) {
			return skip("IPv6 has no such filter"), nil
		}
		var problems []Problem
		judged := map[string]bool{}
		for _, vip := range e.Config.VIPs() {
			if vip.Is6() {
				continue
			}
			links, err := e.entries(ctx, vip)
			if err != nil {
				return problems, err
			}
			var found []Problem
			for _, l := range links {
				if judged[l] {
					continue
				}
				p, err := e.filtered(ctx, vip, l)
				found = append(found, p...)
				if err != nil {
					return append(problems, found...), err
				}
				judged[l] = len(p) > 0
			}
			problems = append(problems, perhaps(found, links)...)
		}
		return problems, nil
	},
}

// perhaps are problems of some of the interfaces that packets to a VIP may come in by:
// where another one lets them in, it is not certain that they hurt.
func perhaps(found []Problem, links []string) []Problem {
	for i := range found {
		if len(found) < len(links) {
			found[i].Severity = Warning
			found[i].Advice = "it is no harm where the director reaches this host by another interface"
		}
	}
	return found
}

// entries are the interfaces by which packets to the VIP come in: on a director
// those on the LAN that carry it.
func (e *Exam) entries(ctx context.Context, vip netip.Addr) ([]string, error) {
	var names []string
	if e.Role == cluster.DirectorRole {
		at, err := e.AddressesOf(ctx, vip)
		if err != nil {
			return nil, err
		}
		for _, a := range at {
			exposed, err := e.exposed(ctx, a)
			if err != nil {
				return nil, err
			}
			if exposed && !slices.Contains(names, a.Link) {
				names = append(names, a.Link)
			}
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	inlets, err := e.inlets(ctx, vip)
	if errors.Is(err, ErrNoLAN) {
		return nil, nil
	}
	for _, l := range inlets {
		names = append(names, l.Name)
	}
	return names, err
}

// filtered tells whether the kernel drops what clients send to the VIP.
func (e *Exam) filtered(ctx context.Context, vip netip.Addr, link string) ([]Problem, error) {
	v, err := e.effective("rp_filter", link)
	if err != nil || v.value != "1" {
		return nil, err
	}
	back, err := e.replyRoute(ctx, vip)
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.someClient(vip) != e.Client:
		return e.filteredNear(ctx, vip, v)
	case errors.Is(err, fs.ErrNotExist) || err == nil && back.Link == link:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	from := e.someClient(vip)
	in, err := e.Host.Observer.RouteOf(ctx, host.RouteQuery{To: vip, From: from, In: link})
	if err == nil && in.Local || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	fix := sysctlCommand("2", "net/ipv4/conf/"+link+"/rp_filter")
	if from == e.Client {
		return []Problem{problem(fix, "%s, strict: it drops what the client %s sends to the VIP %s, because the way back is by %s", v, from, vip, back.Link)}, nil
	}
	p := warning(fix, "%s, strict: it drops what clients beyond the gateway %s send to the VIP %s, because the way back to them is by %s", v, back.Gateway, vip, back.Link)
	p.Advice = "it is no harm where every client is on the LAN of " + link
	return []Problem{p}, nil
}

// filteredNear tells it where there is no way beyond the networks of this host, and the
// VIP is in none of them: clients are in one of these, and what comes from those behind
// another interface than the one that the director sends by is dropped.
func (e *Exam) filteredNear(ctx context.Context, vip netip.Addr, v effective) ([]Problem, error) {
	fronts, err := e.fronts(ctx, vip)
	if err != nil || !slices.ContainsFunc(fronts, func(f front) bool { return f.assumed }) {
		return nil, err
	}
	var dropped []string
	for _, f := range fronts {
		subnets, err := e.subnets(ctx, f.link.Name)
		if err != nil || f.link.Name == v.link {
			continue
		}
		for _, subnet := range subnets {
			if !subnet.Addr().Is4() {
				continue
			}
			_, err := e.Host.Observer.RouteOf(ctx, host.RouteQuery{To: vip, From: neighbourIn(subnet), In: v.link})
			if errors.Is(err, fs.ErrNotExist) {
				dropped = append(dropped, fmt.Sprintf("%s (%s)", subnet, f.link.Name))
			} else if err != nil {
				return nil, err
			}
		}
	}
	if len(dropped) == 0 {
		return nil, nil
	}
	p := warning(sysctlCommand("2", "net/ipv4/conf/"+v.link+"/rp_filter"),
		"%s, strict: what the director sends here by %s for clients in %s is dropped, because the way back to them is another", v, v.link, firstFew(dropped))
	p.Advice = "it is no harm where every client is on the LAN of " + v.link
	return []Problem{p}, nil
}
