package lvsdrtest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"

	rules "github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	conf "github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// observed is what only the doctor looks at, and nothing the steps do changes.
type observed struct {
	listeners   []host.Listener
	neighbours  []host.Neighbour
	connections []ipvs.Connection
	established map[netip.AddrPort]int
	processes   []string
	rules       rules.Ruleset
	arpDropped  []netip.Addr
}

// SetRules gives the world the packet filter rules that its Observer tells of;
// they are none before. The firewalls that the steps see stay as they are.
func (w *World) SetRules(r rules.Ruleset) *World {
	_ = w.do(func(s *state) error {
		s.rules = r
		return nil
	})
	return w
}

type observer struct{ *state }

func (s observer) Listeners(context.Context) ([]host.Listener, error) {
	return slices.Clone(s.listeners), nil
}

func (s observer) Established(_ context.Context, from []netip.Addr) (map[netip.AddrPort]int, error) {
	all := maps.Clone(s.established)
	maps.DeleteFunc(all, func(at netip.AddrPort, _ int) bool { return !slices.Contains(from, at.Addr()) })
	return all, nil
}

func (s observer) Neighbours(context.Context) ([]host.Neighbour, error) {
	return slices.Clone(s.neighbours), nil
}

func (s observer) Connections(context.Context) ([]ipvs.Connection, error) {
	if !s.loaded("ip_vs") {
		return nil, nil
	}
	return slices.Clone(s.connections), nil
}

func (s observer) Processes(context.Context) ([]string, error) {
	all := slices.Clone(s.processes)
	if s.watch.running {
		all = append(all, conf.EngineProcess, conf.CheckerProcess)
	}
	return slices.Compact(slices.Sorted(slices.Values(all))), nil
}

func (s observer) Rules(context.Context) (*rules.Ruleset, error) {
	r := s.rules
	return &r, nil
}

func (s observer) ARPDropped(context.Context) ([]netip.Addr, error) {
	return slices.Clone(s.arpDropped), nil
}

// RouteOf is routeTo for a packet that may have come in: a strict reverse path
// filter drops it when the way back is another one, and it is forwarded only when
// the host forwards.
func (s observer) RouteOf(_ context.Context, q host.RouteQuery) (host.Route, error) {
	r, err := s.routeTo(q.To)
	if err != nil || q.In == "" {
		return r, err
	}
	all, own := s.sysctls["net/ipv4/conf/all/rp_filter"], s.sysctls["net/ipv4/conf/"+q.In+"/rp_filter"]
	if q.To.Is4() && q.From.IsValid() && max(all, own) == "1" {
		if back, err := s.routeTo(q.From); err != nil || back.Link != q.In {
			return r, fmt.Errorf("the reverse path filter drops what comes from %s by %s: %w", q.From, q.In, fs.ErrNotExist)
		}
	}
	forwards := s.sysctls[forwarding4]
	if q.To.Is6() {
		forwards = s.sysctls[forwarding6]
	}
	if !r.Local && forwards != "1" {
		return r, fmt.Errorf("no route to %s, which is not forwarded: %w", q.To, fs.ErrNotExist)
	}
	return r, nil
}

// Local are those that follow from the link's addresses, and those added.
func (s observer) Local(_ context.Context, link string) ([]netip.Prefix, error) {
	l := s.link(link)
	if l == nil {
		return nil, noLink(link)
	}
	var all []netip.Prefix
	for _, a := range s.addresses {
		if a.Link != link || !l.Up {
			continue
		}
		all = append(all, host32(a.Prefix.Addr()))
		if l.Loopback && a.Prefix.Addr().Is4() && !a.Prefix.IsSingleIP() && !slices.Contains(all, a.Prefix.Masked()) {
			all = append(all, a.Prefix.Masked())
		}
	}
	for _, r := range s.routes {
		if r.local && r.link == link {
			all = append(all, r.dst)
		}
	}
	return all, nil
}
