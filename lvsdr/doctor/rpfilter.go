package doctor

import (
	"context"
	"errors"
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
			for _, l := range links {
				if judged[l] {
					continue
				}
				found, err := e.filtered(ctx, vip, l)
				problems = append(problems, found...)
				if err != nil {
					return problems, err
				}
				judged[l] = len(found) > 0
			}
		}
		return problems, nil
	},
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
	lan, err := e.LAN(ctx, vip)
	if errors.Is(err, ErrNoLAN) {
		return nil, nil
	}
	return []string{lan.Name}, err
}

// filtered tells whether the kernel drops what clients send to the VIP.
func (e *Exam) filtered(ctx context.Context, vip netip.Addr, link string) ([]Problem, error) {
	v, err := e.effective("rp_filter", link)
	if err != nil || v.value != "1" {
		return nil, err
	}
	back, err := e.replyRoute(ctx, vip)
	if errors.Is(err, fs.ErrNotExist) || err == nil && back.Link == link {
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
