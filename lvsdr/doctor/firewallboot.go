package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var firewallBoot = &Check{
	Code:  "firewall-boot",
	Title: "the packet filter that is loaded at boot lets new connections in as well",
	Why:   "What is in force may be one thing and what is on disk another: after a reload or a reboot the disk counts.",
	Needs: []*Check{firewallIn},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		here, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		lasting, err := e.lasting()
		switch {
		case err != nil:
			return nil, err
		case e.Stage == BeforeSetUp:
			return skip("set-up opens the ports"), nil
		case here && !lasting:
			return skip("set up with --runtime, which is to leave nothing over a reboot"), nil
		case here && e.Config.Firewall != "none":
			return e.chosenAtBoot(ctx)
		}
		return e.lostAtBoot(ctx)
	},
}

// chosenAtBoot judges a host whose unit opens the ports of what is loaded by then, after
// every boot: only a manager that is named has to be there.
func (e *Exam) chosenAtBoot(ctx context.Context) ([]Problem, error) {
	name := e.Config.Firewall
	if !slices.Contains(cluster.FirewallManagers, name) {
		return nil, nil
	}
	all, err := e.firewallsAtBoot(ctx, step.OpeningsOf(e.Config)[0])
	if err != nil || slices.ContainsFunc(all, func(f boot.Firewall) bool { return f.Name == name }) {
		return nil, err
	}
	fix := "systemctl enable " + name
	if on, err := host.Exists(e.Host.Files, "/etc/ufw/ufw.conf"); name == "ufw" && on && err == nil {
		fix += " && sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf"
	}
	return []Problem{warning(fix,
		"%s, which is told to open the ports, is not enabled at boot: set-up will be refused then, and this host is no %s", name, spokenRole(e.Role)).yours()}, nil
}

// firewallsAtBoot are those that are enabled, for the interface by which what is for an
// opening comes.
func (e *Exam) firewallsAtBoot(ctx context.Context, o host.Opening) ([]boot.Firewall, error) {
	p, err := e.passage(ctx, o.VIP)
	if err != nil {
		return nil, err
	}
	return boot.Firewalls(e.Host.Files, p.in)
}

// lostAtBoot judges a host where nobody opens the ports anew: each firewall that is
// enabled has to let them in by its files.
func (e *Exam) lostAtBoot(ctx context.Context) ([]Problem, error) {
	lost := map[string]*lostOpenings{}
	var problems []Problem
	for _, o := range step.OpeningsOf(e.Config) {
		p, err := e.passage(ctx, o.VIP)
		if err != nil {
			return nil, err
		}
		all, err := boot.Firewalls(e.Host.Files, p.in)
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			closed, where := closedAtBoot(f, p, o)
			if !closed {
				continue
			}
			key := f.Unit + " " + where
			if lost[key] == nil {
				runs, err := e.runs(ctx, f.Name)
				if err != nil {
					return nil, err
				}
				lost[key] = &lostOpenings{Firewall: f, where: where, runs: runs}
			}
			lost[key].openings = append(lost[key].openings, o)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(lost)) {
		problems = append(problems, lost[key].problem())
	}
	return problems, nil
}

// closedAtBoot tells whether the firewall's files keep the opening's first packet out for
// certain, and where.
func closedAtBoot(f boot.Firewall, p *passage, o host.Opening) (closed bool, where string) {
	if f.Lets != nil {
		lets, where := f.Lets(o)
		return lets == boot.No, where
	}
	command := map[bool]string{false: "iptables", true: "ip6tables"}[o.VIP.Is6()]
	pkt := p.packet(o, firstPacket)
	pkt.Hook = filter.Input
	return filter.ParseIptables(command, f.Listing[o.VIP.Is6()]).Trace(pkt).Drops(), ""
}

// runs tells whether a manager runs here.
func (e *Exam) runs(ctx context.Context, manager string) (bool, error) {
	for _, f := range e.Host.Firewalls {
		if f.Name() == manager {
			gates, err := f.Gates(ctx)
			return slices.ContainsFunc(gates, host.Gate.Runs), err
		}
	}
	return false, nil
}

// lostOpenings are those that one place of a firewall's files does not let in.
type lostOpenings struct {
	boot.Firewall
	where    string // the zone or chain
	runs     bool   // the manager can be told
	openings []host.Opening
}

func (l *lostOpenings) file() string { return l.Files[l.openings[0].VIP.Is6()] }

// problem tells what is in force, what the files say, and which of them counts at boot.
func (l *lostOpenings) problem() Problem {
	place := l.file()
	switch l.Name {
	case "firewalld":
		place = "its permanent zone " + l.where
	case "ufw":
		place = "what ufw loads from /etc/ufw"
	case "nftables":
		place += ", chain " + l.where + ","
	}
	return warning(strings.Join(l.fixes(), " && "), "%s is let in now and not after a reboot: %s is enabled, and %s does not let it in",
		host.JoinOpenings(l.openings), l.Unit, place).yours()
}

// fixes have the files let the openings in.
func (l *lostOpenings) fixes() (all []string) {
	for _, o := range l.openings {
		if c := l.letIn(o); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

func (l *lostOpenings) letIn(o host.Opening) string {
	switch l.Name {
	case "firewalld":
		ports := fmt.Sprint(o.Port)
		if o.Port == 0 {
			ports = "1-65535"
		}
		zone, add := "--zone="+l.where, "--add-port="+ports+"/"+o.Protocol.String()
		if !l.runs {
			return host.ShellLine("firewall-offline-cmd", zone, add)
		}
		return host.ShellLine("firewall-cmd", "--permanent", zone, add)
	case "ufw":
		// "ufw allow" fails where ufw is enabled and not loaded.
		chain := map[bool]string{false: "ufw-before-input", true: "ufw6-before-input"}[o.VIP.Is6()]
		return host.ShellLine("sed", "-i", "s/^:"+chain+` .*/&\n-A `+chain+" "+inward(o).iptables+" -j ACCEPT/", strings.Replace(l.file(), "user", "before", 1))
	case "nftables":
		return host.ShellLine("echo", "insert rule "+l.where+" "+inward(o).nft+" accept") + " >>" + l.file()
	}
	return host.ShellLine("sed", "-i", `/^\*filter/,/^COMMIT/s/^:INPUT .*/&\n-A INPUT `+inward(o).iptables+" -j ACCEPT/", l.file())
}
