package doctor

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

var realServerAnswers = &Check{
	Code:      "real-server",
	Preflight: true,
	Title:     "each real server is on the LAN and answers for its address, alone",
	Why:       "Direct routing puts each packet on the LAN with the real server's MAC address, so that must be known, and the right one.",
	Wire:      true,
	Needs:     []*Check{linkUsable, vipSource},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		if p := s.unknownServers(); p != nil {
			return p, nil
		}
		var problems []Problem
		for _, r := range s.servers {
			for _, p := range e.serverProblems(s, r) {
				if e.idle(ctx, r) || e.Stage == BeforeSetUp && r.near() {
					p.Severity = Warning
				}
				problems = append(problems, p)
			}
		}
		return problems, nil
	},
}

// unknownServers tells that there is nobody to look at.
func (s *survey) unknownServers() []Problem {
	switch {
	case len(s.servers) == 0:
		return skip("no real server is known here: tell with --real-server")
	case !slices.ContainsFunc(s.servers, func(r *serverSeen) bool { return r.near() || r.route.Local }) && s.client:
		return skip("no real server is on a LAN of this host")
	case slices.ContainsFunc(s.servers, func(r *serverSeen) bool { return !r.route.Local }):
		return nil
	}
	return skip("this host is the only real server")
}

// serverProblems looks at one real server, the cause first: the rest then follows
// from it.
func (e *Exam) serverProblems(s *survey, r *serverSeen) []Problem {
	switch {
	case r.err != nil && slices.ContainsFunc(s.vips, func(v *vipSeen) bool {
		return v.err == nil && !usable(v.link) && e.rips(v.addr).has[r.rip]
	}):
		return nil // the link is down, and took the route with it
	case r.err != nil && s.client:
		return nil // it need not be reached from here
	case r.err != nil:
		return []Problem{{
			What:   fmt.Sprintf("there is no route to the real server %s", r.rip),
			Advice: "give this host an address in the real server's subnet, on its LAN",
		}}
	case r.route.Local:
		return nil
	case r.route.Gateway.IsValid() && e.Role == cluster.DirectorRole:
		return []Problem{{
			What: fmt.Sprintf("the real server %s is not on a LAN of this host: the route goes by the gateway %s on %s, whose MAC address the packets would get",
				r.rip, r.route.Gateway, r.route.Link),
			Advice: "direct routing needs director and real server in one subnet and VLAN: move the real server, or give both an address in a common one",
		}}
	case !r.near():
		return nil
	}
	if p := e.answerProblem(s, r); p != nil {
		return []Problem{*p}
	}
	return e.entryProblem(r)
}

// answerProblem looks at who answered for the RIP.
func (e *Exam) answerProblem(s *survey, r *serverSeen) *Problem {
	switch {
	case len(r.probed)+len(r.asked) == 0 && r.pinged != nil:
		return e.aliveButSilent(r)
	case len(r.probed)+len(r.asked) == 0 && s.works(r):
		return nil
	case len(r.probed)+len(r.asked) == 0:
		return &Problem{
			On:     r.rip,
			What:   fmt.Sprintf("the real server %s answers no ARP on %s and no ping to everybody", r.rip, r.link.Name),
			Advice: "it is down, in another VLAN, or has another address: bring it back, or take it out of the service",
		}
	case len(r.asked) == 0:
		return &Problem{
			On: r.rip,
			What: fmt.Sprintf("the real server %s (%s) answers an ARP probe without sender, but not \"who has %s, tell %s\": it takes %s for one of its own addresses",
				r.rip, r.mac, r.rip, r.question().Source, r.question().Source),
			Advice: "most likely the VIP stands on its lo with a mask wider than /32; run \"lvsdr doctor realserver\" there",
		}
	case len(r.probed) > 1 && len(s.answerForMore(r)) > 0:
		return &Problem{
			On: r.rip,
			What: fmt.Sprintf("%d hosts answer ARP for the real server %s: %s; of these %s answer for other real servers too, as one does that takes a whole subnet for its own",
				len(r.probed), r.rip, macs(r.probed), macs(s.answerForMore(r))),
			Advice: "most likely the VIP stands on the lo of real servers with a mask wider than /32, and arp_ignore=0: run \"lvsdr doctor realserver\" there; afterwards " + forgetHow(r),
		}
	case len(r.probed) > 1:
		return &Problem{
			What:   fmt.Sprintf("%d hosts answer ARP for the real server %s: %s", len(r.probed)+r.probed[len(r.probed)-1].More, r.rip, macs(r.probed)),
			Advice: "the address is used twice: find the other host by its MAC address and give it another one; afterwards " + forgetHow(r),
		}
	}
	for _, a := range r.asked {
		if answered(r.probed, a.MAC) || len(r.asked) == 1 && s.works(r) {
			continue
		}
		return &Problem{
			What:   fmt.Sprintf("%s answers ARP for the real server %s, but not to a probe: it is a proxy, and the packets would go to it", a.MAC, r.rip),
			Advice: "find the host with this MAC address (a router) and switch proxy_arp off on it; when the real server itself does not answer, it is on another LAN, which direct routing does not reach; afterwards " + forgetHow(r),
		}
	}
	return nil
}

// answerForMore are those who answered for the real server and for others of the cluster,
// too: a host has that address, but hardly theirs.
func (s *survey) answerForMore(r *serverSeen) (some []probe.Answer) {
	for _, a := range r.probed {
		if slices.ContainsFunc(s.servers, func(o *serverSeen) bool {
			return o != r && o.rip.Is4() == r.rip.Is4() && answered(o.probed, a.MAC)
		}) {
			some = append(some, a)
		}
	}
	return some
}

// forgetHow is how to have the wrong answer out of the neighbour table.
func forgetHow(r *serverSeen) string {
	return fmt.Sprintf("have the director forget it: ip neigh flush to %s", r.rip)
}

// aliveButSilent is a real server that was found by a ping to everybody's MAC
// address: with arp_ignore=8 it answers no ARP at all, which is fine where its MAC
// address is written down.
func (e *Exam) aliveButSilent(r *serverSeen) *Problem {
	static := r.before != nil && r.before.State == "PERMANENT" && bytes.Equal(r.before.MAC, r.mac)
	if e.Role != cluster.DirectorRole || static {
		return nil
	}
	return &Problem{
		On:   r.rip,
		What: fmt.Sprintf("the real server %s is there (%s answers a ping to everybody) but answers no ARP, so this director cannot find it", r.rip, r.mac),
		Advice: fmt.Sprintf("arp_ignore=8 or a rule keeps it silent there: arp_ignore=1 is silent for the VIP alone; or write it down here: ip neigh replace %s lladdr %s dev %s nud permanent",
			r.rip, r.mac, host.ShellWord(r.link.Name)),
	}
}

// entryProblem looks at what the director's kernel knew before we asked. An entry
// that has FAILED is asked for anew by the next packet.
func (e *Exam) entryProblem(r *serverSeen) []Problem {
	n := r.before
	if e.Role != cluster.DirectorRole || n == nil || n.MAC == nil || len(r.asked) == 0 || n.State == "FAILED" || n.State == "INCOMPLETE" || n.State == "NOARP" {
		return nil
	}
	del := fmt.Sprintf("ip neigh del %s dev %s", r.rip, host.ShellWord(r.link.Name))
	switch right := answered(r.asked, n.MAC) || answered(r.probed, n.MAC); {
	case !right && n.State == "PERMANENT":
		return []Problem{problem(del, "the neighbour entry of the real server %s is static, %s, but %s answers for it", r.rip, n.MAC, r.mac)}
	case !right:
		return []Problem{problem(del, "the neighbour entry of the real server %s is %s, state %s, but %s answers for it", r.rip, n.MAC, n.State, r.mac)}
	case n.State == "PERMANENT":
		return []Problem{warning(del, "the neighbour entry of the real server %s is static (%s): it stays when the real server gets another network card", r.rip, n.MAC)}
	}
	return nil
}

// works tells whether the real server has answered for a VIP, wherever it was found.
func (s *survey) works(r *serverSeen) bool {
	return slices.ContainsFunc(s.paths, func(p *pathSeen) bool { return p.server == r && p.serves() })
}

// idle tells whether no service of this director's table sends the real server new
// connections: then it hurts nobody that it is ill.
func (e *Exam) idle(ctx context.Context, r *serverSeen) bool {
	if e.Role != cluster.DirectorRole {
		return false
	}
	busy, err := e.busy(ctx)
	return err == nil && busy != nil && !busy[r.rip]
}

// macs names some of those who answered, and counts the rest.
func macs(answers []probe.Answer) string {
	var names []string
	for _, a := range answers[:min(len(answers), mostNamed)] {
		names = append(names, a.MAC.String())
	}
	if more := len(answers) - len(names) + answers[len(answers)-1].More; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
