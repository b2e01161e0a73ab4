package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// mostNamed is how many real servers are named in a line; of more the number is told.
const mostNamed = 4

// works tells what now works after a set-up that changed something, from what the proof
// saw, and what to do next.
func (s *session) works(ctx context.Context, e *doctor.Exam, p *patient) []string {
	if e.Passive || len(s.report.Changes) == 0 {
		return nil
	}
	if p.role.Name == cluster.RealServerRole {
		return s.readyServer(ctx, e, p)
	}
	paths, err := e.PathsOnLAN(ctx)
	if err != nil || len(paths) == 0 {
		return nil
	}
	lines, all := served(paths)
	if all {
		lines = append(lines, "next, on a client: "+host.ShellLine(append([]string{"lvsdr", "doctor", "client"}, inShort(p.src.Config)...)...))
	}
	return lines
}

// served tells of each service which real servers answer for it, and whether each has one.
func served(paths []doctor.PathOnLAN) (lines []string, all bool) {
	var order []ipvs.ID
	tried, serve := map[ipvs.ID]int{}, map[ipvs.ID][]string{}
	for _, p := range paths {
		if tried[p.Service] == 0 {
			order = append(order, p.Service)
		}
		tried[p.Service]++
		if p.Serves {
			serve[p.Service] = append(serve[p.Service], p.RealServer.String())
		}
	}
	all = true
	for _, id := range order {
		who := serve[id]
		switch {
		case len(who) == 0:
			lines, all = append(lines, fmt.Sprintf("no real server answers for %s yet", id)), false
		case len(who) > mostNamed:
			lines = append(lines, fmt.Sprintf("%d of %d real servers answer for %s", len(who), tried[id], id))
		case len(who) == 1:
			lines = append(lines, fmt.Sprintf("%s answers for %s", who[0], id))
		default:
			lines = append(lines, fmt.Sprintf("%s answer for %s", inWords(who), id))
		}
	}
	return lines, all
}

// readyServer tells of a real server, which cannot ask itself, whether a director is
// there to send it connections.
func (s *session) readyServer(ctx context.Context, e *doctor.Exam, p *patient) []string {
	vips, err := e.VIPsOnLAN(ctx)
	if err != nil {
		return nil
	}
	var taken []string
	waits := false
	for _, v := range vips {
		if v.Here {
			taken = append(taken, v.Addr.String())
			waits = waits || v.Link != "" && len(v.Answerers) == 0
		}
	}
	if len(taken) == 0 {
		return nil
	}
	next := "next, on the director: "
	switch c := p.src.Config; {
	case !waits:
		next += "lvsdr doctor"
	case p.src.file != "":
		next += "lvsdr setup director, with the same file"
	case len(c.RIPs()) == 0:
		next += "lvsdr setup director, with this host among its real servers"
	default:
		unit, err := s.installedAs(cluster.RealServerRole) // which has all that was said of the cluster
		if err != nil {
			return nil
		}
		next += host.ShellLine(append([]string{"lvsdr", "setup", "director"}, unit.plain.args...)...)
	}
	return []string{"this host takes what a director sends it for " + inWords(taken), next}
}

// inWords joins names as a sentence does.
func inWords(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// inShort is a configuration as flags for a client's doctor: what is balanced, to whom. Of several services, or many real servers, it is the VIPs alone.
func inShort(c cluster.Config) (args []string) {
	for _, vip := range c.VIPs() {
		args = append(args, "--vip", vip.String())
	}
	if len(c.Services) != 1 || len(c.RIPs()) > mostNamed {
		return args
	}
	for _, p := range c.Services[0].Ports {
		if p != (cluster.Port{Number: 80, Protocol: cluster.TCP}) && p != (cluster.Port{Number: 80}) {
			args = append(args, "--port", p.String())
		}
	}
	for _, rip := range c.RIPs() {
		args = append(args, "--real-server", rip.String())
	}
	return args
}
