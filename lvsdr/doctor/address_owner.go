package doctor

import (
	"context"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

var addressOwner = &Check{
	Code:  "address-owner",
	Title: "nobody else brings the VIP up here or takes it away",
	Why:   "Two owners of an address undo each other's work at the next reboot, restart or failover.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		declared, err := boot.Addresses(e.Host.Files)
		if err != nil {
			return nil, err
		}
		here, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, vip := range e.Config.VIPs() {
			more, err := e.owners(ctx, vip, declared, here)
			problems = append(problems, more...)
			if err != nil {
				return problems, err
			}
		}
		return problems, nil
	},
}

// owners judges who has to do with a VIP.
func (e *Exam) owners(ctx context.Context, vip netip.Addr, declared []boot.Declaration, here bool) ([]Problem, error) {
	var problems []Problem
	for _, d := range declared {
		if d.Addr != vip {
			continue
		}
		off, err := e.offLAN(ctx, d.Link)
		if err != nil {
			return nil, err
		}
		switch {
		case d.Link != "" && e.Role == cluster.DirectorRole && off:
			if keeps, err := e.servesAsBackup(ctx, vip); err != nil || keeps {
				return problems, err
			}
			problems = append(problems, declarationProblem(d, "%s: %s brings the VIP %s up on %s, where a real server has it; a director has it on the LAN",
				d.Place(), d.Owner, vip, d.Link))
		case d.Link != "" && e.Role == cluster.RealServerRole && !off && d.Owner != boot.Keepalived:
			problems = append(problems, declarationProblem(d, "%s: %s brings the VIP %s up on %s, where this host would answer ARP for it",
				d.Place(), d.Owner, vip, d.Link))
		case here:
			alive, err := e.alive(ctx, d.Owner)
			if err != nil {
				return problems, err
			}
			if !alive {
				continue
			}
			p := declarationProblem(d, "%s: %s brings up the VIP %s, which lvsdr brings up too", d.Place(), d.Owner, vip)
			p.Advice += "; or leave it to that: \"lvsdr teardown " + e.Role + "\", and bring it up there"
			problems = append(problems, p)
		}
	}
	configured := slices.ContainsFunc(declared, func(d boot.Declaration) bool {
		return d.Addr == vip && (d.Owner == "systemd-networkd" || d.Owner == "netplan")
	})
	if configured {
		return problems, nil // systemd-networkd brings it up itself
	}
	byKeepalived := slices.ContainsFunc(declared, func(d boot.Declaration) bool { return d.Addr == vip && d.Owner == boot.Keepalived })
	dropped, err := e.dropper(ctx, vip, byKeepalived)
	return append(problems, dropped...), err
}

// alive tells whether the owner of a configuration is at work at all: keepalived's
// may be a sample.
func (e *Exam) alive(ctx context.Context, owner string) (bool, error) {
	if owner != boot.Keepalived {
		return true, nil
	}
	if enabled, err := host.Exists(e.Host.Files, "/etc/systemd/system/multi-user.target.wants/keepalived.service"); err != nil || enabled {
		return enabled, err
	}
	running, err := e.Processes(ctx)
	return slices.Contains(running, owner), err
}

// offLAN tells whether the interface answers no ARP questions, by what it is or is
// called; one that is not there yet is made by what declares the address.
func (e *Exam) offLAN(ctx context.Context, name string) (bool, error) {
	l, ok, err := e.Link(ctx, name)
	if ok {
		return l.Loopback || l.NoARP || l.Kind == "dummy", err
	}
	return name == "lo" || strings.HasPrefix(name, "dummy"), err
}

func declarationProblem(d boot.Declaration, format string, args ...any) Problem {
	p := warning(d.Fix, format, args...)
	if p.Advice = "take the address out of " + d.File; p.Fix != "" {
		p.Advice = ""
	}
	return p.yours()
}

// dropper is systemd-networkd where it manages the interface that has the VIP: when
// it starts, it takes away every address that it has not configured itself, unless
// KeepConfiguration= says otherwise (link_drop_foreign_config in
// src/network/networkd-link.c, which leaves loopback alone). keepalived puts back the
// VIPs of its own configuration.
func (e *Exam) dropper(ctx context.Context, vip netip.Addr, byKeepalived bool) ([]Problem, error) {
	at, err := e.AddressesOf(ctx, vip)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, a := range at {
		l, ok, err := e.Link(ctx, a.Link)
		if err != nil {
			return nil, err
		}
		if !ok || l.Loopback {
			continue
		}
		network, managed := boot.NetworkOf(e.Host.Files, l.Index)
		if !managed || network.KeepsForeign {
			continue
		}
		if byKeepalived {
			if running, err := e.Processes(ctx); err != nil || slices.Contains(running, boot.Keepalived) {
				return problems, err
			}
		}
		dir := "/etc/systemd/network/" + path.Base(network.File) + ".d"
		fix := host.ShellLine("mkdir", "-p", dir) + " && printf '[Network]\\nKeepConfiguration=static\\n' >" + host.ShellWord(dir+"/keep-vip.conf")
		problems = append(problems, warning(fix,
			"systemd-networkd manages %s by %s and takes the VIP %s away when it is started anew", a.Link, network.File, vip).yours())
	}
	return problems, nil
}
