package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

var keepalivedTable = &Check{
	Code:  "keepalived-table",
	Title: "the IPVS table is what keepalived's configuration says",
	Why:   "keepalived compares a new configuration with the old one, never with the table: what somebody has changed there no reload puts right.",
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		running, err := e.Processes(ctx)
		if err != nil || !slices.Contains(running, boot.Keepalived) {
			return nil, err
		}
		c, err := e.keepalivedConfig(ctx)
		if err != nil || c == nil {
			return nil, err
		}
		table, err := e.Table(ctx)
		if err != nil {
			return nil, err
		}
		described, _ := c.Cluster()
		named := serversNamed(c.Directives)
		var problems []Problem
		for _, want := range described.VirtualServices() {
			i := slices.IndexFunc(table, func(v ipvs.Entry) bool { return v.ID == want.ID })
			if i < 0 {
				problems = append(problems, notInTable(want, allDirect(*c)))
				continue
			}
			problems = append(problems, unlikeFile(table[i], want)...)
			problems = append(problems, notInFile(table[i], named)...)
		}
		return problems, nil
	},
}

// noReload is why the usual command does nothing.
const noReload = "systemctl reload keepalived does not mend it: it compares the file with the one before, not with the table"

// notInTable is a virtual_server whose service is not there: keepalived has one for each
// from its start on, whatever its checks say (init_service_vs in check/ipwrapper.c).
func notInTable(want ipvs.Entry, direct bool) Problem {
	p := problem("", "keepalived's configuration has the virtual_server %s, and the IPVS table has no such service", want.ID)
	if p.Advice = noReload + ". Restart it when nothing else is served here"; !direct {
		return p
	}
	commands := []string{ipvs.Command{Op: ipvs.AddService, Service: &want.Service}.Ipvsadm()}
	for _, d := range want.Destinations {
		commands = append(commands, ipvs.Command{Op: ipvs.AddDestination, Service: &want.Service, Destination: &d}.Ipvsadm())
	}
	p.Fix = strings.Join(commands, " && ")
	p.Advice = noReload + ". The command brings back real servers that keepalived has found dead, too; a restart when nothing else is served here leaves them out"
	return p
}

// allDirect tells whether all real servers of the configuration are reached by direct
// routing.
func allDirect(c keepalived.Config) bool {
	if slices.ContainsFunc(c.Flaws(), func(f keepalived.Flaw) bool { return f.Kind == keepalived.NoMethod }) {
		return false
	}
	return !mentions(c.Directives, func(d keepalived.Directive) bool {
		return (d.Keyword() == "lb_kind" || d.Keyword() == "lvs_method") && !strings.EqualFold(strings.Join(d.Args(), " "), "DR")
	})
}

// mentions tells whether a directive at any depth is one of those.
func mentions(all []keepalived.Directive, is func(keepalived.Directive) bool) bool {
	return slices.ContainsFunc(all, func(d keepalived.Directive) bool { return is(d) || mentions(d.Block, is) })
}

// unlikeFile tells what the table has otherwise of a service.
func unlikeFile(live, want ipvs.Entry) []Problem {
	asked := live.Service
	var other []string
	tell := func(what string, is, says any) {
		if is != says {
			other = append(other, fmt.Sprintf("%s %v, in the file %v", what, is, says))
		}
	}
	tell("scheduler", live.Scheduler, want.Scheduler)
	tell("persistence", live.Persistence, want.Persistence)
	if len(other) == 0 {
		return nil
	}
	asked.Scheduler, asked.Persistence = want.Scheduler, want.Persistence
	asked.Flags, asked.Netmask = want.Flags, want.Netmask
	p := warning(ipvs.Command{Op: ipvs.SetService, Service: &asked}.Ipvsadm(),
		"%s is in the IPVS table otherwise than in keepalived's configuration: %s", live.ID, strings.Join(other, "; "))
	p.Advice = noReload + ". Or the file is new, and has not been loaded: then that does"
	return []Problem{p}
}

// notInFile are real servers that keepalived does not know: it looks at none of them.
func notInFile(live ipvs.Entry, named []netip.Addr) []Problem {
	strange := slices.DeleteFunc(slices.Clone(live.Destinations), func(d ipvs.Destination) bool {
		return d.Weight <= 0 || slices.Contains(named, d.Addr)
	})
	if len(strange) == 0 {
		return nil
	}
	drained := strange[0]
	drained.Weight = 0
	p := warning("", "%s has the real server %s, which keepalived's configuration has not: it is sent clients when it is dead, too", live.ID, ends(strange))
	p.Advice = "if it is to serve, write it into the file and reload keepalived; if not, let its connections end: " +
		ipvs.Command{Op: ipvs.SetDestination, Service: &live.Service, Destination: &drained}.Ipvsadm() + ", and take it out when it has none (-d)"
	return []Problem{p}
}

// serversNamed are the real servers of a configuration, and those that stand in where no
// real server is left.
func serversNamed(all []keepalived.Directive) (addrs []netip.Addr) {
	for _, d := range all {
		addrs = append(addrs, serversNamed(d.Block)...)
		if (d.Keyword() != "sorry_server" && d.Keyword() != "real_server") || len(d.Words) < 2 {
			continue
		}
		if a, err := netip.ParseAddr(d.Words[1]); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
