package doctor

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

var drPath = &Check{
	Code:  "dr-path",
	Title: "each real server answers for the VIP what is sent to its MAC address",
	Why:   "This is the way that a director's packets take; a real server that does not answer it fails its share of the clients, however well its own address does.",
	Wire:  true,
	Needs: []*Check{firewallND}, // without which the real servers do not find a director to answer
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		if e.Stage == BeforeSetUp {
			return skip("the cluster is not set up yet"), nil
		}
		if p := s.unknownServers(); p != nil {
			return p, nil
		}
		var problems []Problem
		tried := 0
		for _, p := range s.paths {
			if e.mutedPath(s, p) {
				continue
			}
			tried++
			if found := s.pathProblem(p); found != nil {
				found.On = p.server.rip
				if e.idle(ctx, p.server) && found.Severity == "" || e.Stage == AfterSetUp && p.nobodyYet() {
					found.Severity = Warning
				}
				problems = append(problems, *found)
			}
		}
		if s.skipped > 0 {
			problems = append(problems, skip("%d more services are not tried: at most %d of each real server", s.skipped, mostServices)...)
		}
		if tried == 0 && len(problems) == 0 {
			return skip("no real server could be tried: see real-server"), nil
		}
		return problems, nil
	},
}

// nobodyYet tells whether the real server is ready but for the server on it, which is
// often installed last.
func (p *pathSeen) nobodyYet() bool {
	if p.id.Protocol == cluster.UDP {
		_, kind := icmpReason(p.reply, p.id.Addr.Is6())
		return p.reply.Outcome == probe.Unreachable && kind == noPort
	}
	return p.reply.Outcome == probe.Reset && p.own.Outcome != probe.Accepted
}

// mutedPath tells whether the path could not be tried, or another check says what is
// wrong with it; or a client has the VIP itself, or the real server is the director
// too, whom replies tries.
func (e *Exam) mutedPath(s *survey, p *pathSeen) bool {
	v := s.vip(p.id.Addr)
	return p.reply.Outcome == "" || e.Role != cluster.DirectorRole && v.mine || v.balances(p.server.mac) ||
		!p.serves() && (e.answerProblem(s, p.server) != nil || v.mine && v.askedBy(p.server))
}

// askedBy tells whether a real server asked for somebody as the VIP. Who has the VIP
// itself takes that question for its own and does not answer, so that the real server
// cannot answer this director: vip-claim says why.
func (v *vipSeen) askedBy(r *serverSeen) bool {
	return slices.ContainsFunc(v.claims, func(c probe.Claim) bool { return c.Target != c.Addr && bytes.Equal(c.MAC, r.mac) })
}

// pathProblem tells what is wrong with a path, nil when nothing is.
func (s *survey) pathProblem(p *pathSeen) *Problem {
	to := netip.AddrPortFrom(p.id.Addr, p.id.Port)
	if p.id.Port == 0 {
		return s.pingProblem(p)
	}
	switch p.id.Protocol {
	case cluster.SCTP:
		return s.pingProblem(p)
	case cluster.UDP:
		if p.reply.Outcome == probe.Silent {
			return unsureOfUDP(p, to)
		}
	}
	switch p.reply.Outcome {
	case probe.Accepted:
		return s.acceptedBy(p, to)
	case probe.Reset:
		return refused(p, to)
	case probe.Unreachable:
		return rejected(p, to)
	case probe.Silent:
		return silent(p, to)
	case probe.Misaddressed:
		return misaddressed(p, to)
	}
	return s.forwarded(p, to)
}

// acceptedBy: another real server's answer to what was sent to this one means that
// this one sent it on, through the director. A MAC address that nobody else has may
// be its second network card.
func (s *survey) acceptedBy(p *pathSeen, to netip.AddrPort) *Problem {
	if p.serves() {
		return nil
	}
	other := s.whose(p.reply.MAC, p.server.rip)
	if other == nil || other == p.server {
		return nil
	}
	return s.forwarded(p, to)
}

// refused: a RST is the word of a host that has the VIP, and where nobody listens
// for it.
func refused(p *pathSeen, to netip.AddrPort) *Problem {
	own := netip.AddrPortFrom(p.server.rip, to.Port())
	if p.own.Outcome == probe.Accepted {
		return &Problem{
			What: fmt.Sprintf("%s refuses %s (RST) and accepts %s: the server there listens on its own address only", p.server.rip, to, own),
			Advice: fmt.Sprintf("let the server on %s listen on all addresses (\"Listen %d\", not \"Listen %s\") or on the VIP; if it does, a packet filter there rejects with a RST",
				p.server.rip, to.Port(), own),
		}
	}
	return &Problem{
		What:   fmt.Sprintf("%s refuses %s (RST), and %s too is %s: nobody listens there", p.server.rip, to, own, outcomeText(p.own)),
		Advice: fmt.Sprintf("start the server on %s, on all addresses or on the VIP", p.server.rip),
	}
}

// rejected: an ICMP error tells who did not want the packet. One from the VIP itself
// comes of a host that has it, whatever its code says.
func rejected(p *pathSeen, to netip.AddrPort) *Problem {
	name, kind := icmpReason(p.reply, to.Addr().Is6())
	switch {
	case kind == noWay && p.reply.From != to.Addr():
		return vipMissing(p, to, fmt.Sprintf("answers %s", name))
	case kind == noPort && p.id.Protocol == cluster.UDP:
		return &Problem{
			What:   fmt.Sprintf("%s answers for %s: %s: nobody listens there, or a packet filter rejects it", p.server.rip, to, name),
			Advice: fmt.Sprintf("start the server on %s, on all addresses or on the VIP", p.server.rip),
		}
	}
	what := fmt.Sprintf("%s rejects %s with %s", p.server.rip, to, name)
	if p.id.Protocol == cluster.TCP {
		what += fmt.Sprintf("; %s:%d is %s", p.server.rip, to.Port(), outcomeText(p.own))
	}
	return &Problem{
		What:   what,
		Advice: fmt.Sprintf("a packet filter on %s rejects it: run \"lvsdr doctor realserver\" there, which names the rule", p.server.rip),
	}
}

// silent: what the RIP and the pings say tells a filter from an address that is
// missing, though not always.
func silent(p *pathSeen, to netip.AddrPort) *Problem {
	there := fmt.Sprintf("run \"lvsdr doctor realserver\" on %s, which tells these apart", p.server.rip)
	what := fmt.Sprintf("%s does not answer for %s", p.server.rip, to)
	own := fmt.Sprintf("%s:%d is %s", p.server.rip, to.Port(), outcomeText(p.own))
	switch {
	case p.vip.Outcome == probe.Accepted && bytes.Equal(p.vip.MAC, p.server.mac):
		return &Problem{
			What:   fmt.Sprintf("%s, though it answers a ping to the VIP; %s: a packet filter there drops it", what, own),
			Advice: fmt.Sprintf("run \"lvsdr doctor realserver\" on %s, which names the rule", p.server.rip),
		}
	case p.own.Outcome == probe.Accepted || p.own.Outcome == probe.Reset || p.rip.Outcome == probe.Accepted:
		return &Problem{
			What:   fmt.Sprintf("%s, nor a ping to the VIP, while it does for its own address (%s): it lacks the VIP, or a packet filter drops what is for it", what, own),
			Advice: there,
		}
	}
	return &Problem{
		What: fmt.Sprintf("%s, nor for its own address, though it answers ARP: its answers go to itself, because the VIP on its lo has a mask wider than /%d; "+
			"or a packet filter drops all; or it has no way back to this host", what, to.Addr().BitLen()),
		Advice: there,
	}
}

// forwarded: the real server sent the packet on. It does not have the VIP and
// forwards, or it is a director itself.
func (s *survey) forwarded(p *pathSeen, to netip.AddrPort) *Problem {
	how := map[probe.Outcome]string{
		probe.Redirected: "answers with an ICMP redirect", probe.Returned: "sends back", probe.Expired: "sends round until its TTL is over",
		probe.Accepted: fmt.Sprintf("sends on to %s", s.name(p.reply.MAC, p.server.rip)),
	}[p.reply.Outcome]
	if p.reply.Outcome != probe.Redirected && p.vip.Outcome == probe.Accepted && bytes.Equal(p.vip.MAC, p.server.mac) {
		return s.balancedAgain(p, to, how)
	}
	return vipMissing(p, to, how)
}

// balancedAgain: a real server that has the service in a table of its own. Where it
// answers for the VIP it may be the director, whose service is what serves.
func (s *survey) balancedAgain(p *pathSeen, to netip.AddrPort, how string) *Problem {
	problem := &Problem{
		On:   p.server.rip,
		What: fmt.Sprintf("%s has the VIP but %s what is for %s: it balances the service itself, and packets go round until their TTL is over", p.server.rip, how, to),
	}
	remove := fmt.Sprintf("ipvsadm -D %s %s", map[cluster.Protocol]string{cluster.TCP: "-t", cluster.UDP: "-u", cluster.SCTP: "--sctp-service"}[p.id.Protocol], to)
	problem.Advice = fmt.Sprintf("if it is never to be the director, on it: %s; if it is to take over, let it balance only what comes by the router or from clients "+
		"(a service of a firewall mark), not what the director sends", remove)
	if slices.ContainsFunc(s.vip(p.id.Addr).answerers(), func(mac net.HardwareAddr) bool { return bytes.Equal(mac, p.server.mac) }) {
		problem.What += "; it also answers for the VIP, as the director does"
		problem.Advice = fmt.Sprintf("if %s is the director, leave its service: another real server balances it too, see \"ipvsadm -Ln\" on each; "+
			"if it is not, \"lvsdr doctor realserver\" there names what has it answer, and \"%s\" ends its balancing", p.server.rip, remove)
	}
	return problem
}

func vipMissing(p *pathSeen, to netip.AddrPort, how string) *Problem {
	vip := to.Addr()
	fix := addVIP(vip, "lo", cluster.RealServerRole)
	if vip.Is4() { // or it answers for the VIP from then on
		fix = commands(sysctlCommand("1", "net/ipv4/conf/all/arp_ignore"), sysctlCommand("2", "net/ipv4/conf/all/arp_announce"), fix)
	}
	return &Problem{
		What:   fmt.Sprintf("%s does not have the VIP and forwards: what is for %s it %s", p.server.rip, to, how),
		On:     p.server.rip,
		Fix:    fix,
		Advice: fmt.Sprintf("\"lvsdr setup realserver --vip %s\" there does it for good", vip),
	}
}

// pingProblem is for services that have no port to knock at, or SCTP: a ping to the
// VIP shows that the real server has it. Its silence shows nothing.
func (s *survey) pingProblem(p *pathSeen) *Problem {
	to := netip.AddrPortFrom(p.id.Addr, p.id.Port)
	switch p.reply.Outcome {
	case probe.Accepted:
		return s.acceptedBy(p, to)
	case probe.Redirected, probe.Returned, probe.Expired:
		return s.forwarded(p, to)
	}
	return &skip("whether %s serves %s cannot be told from here: it answers no ping to the VIP", p.server.rip, p.id)[0]
}

// misaddressed: a UDP server that listens on all addresses has its answers sent from
// the one that the route tells, the RIP, unless it sees to it itself (ip(7),
// IP_PKTINFO). Whoever asked the VIP takes it for an answer of somebody else.
func misaddressed(p *pathSeen, to netip.AddrPort) *Problem {
	cure := fmt.Sprintf("have the server on %s listen on the VIP itself, or answer from the address that was asked (IP_PKTINFO)", p.server.rip)
	if to.Port() == 53 {
		listen := "listen-on"
		if to.Addr().Is6() {
			listen = "listen-on-v6"
		}
		cure += fmt.Sprintf("; unbound: \"interface-automatic: yes\" or \"interface: %s\"; named: \"%s { %s; };\"; dnsmasq: \"listen-address=%s\" with \"bind-interfaces\"",
			to.Addr(), listen, to.Addr(), to.Addr())
	}
	return &Problem{
		What: fmt.Sprintf("%s answers what is sent to %s/udp, but from %s: a client takes no answer from an address that it did not ask",
			p.server.rip, to, netip.AddrPortFrom(p.reply.From, to.Port())),
		Advice: cure,
	}
}

// unsureOfUDP: a UDP server need not answer what it is asked.
func unsureOfUDP(p *pathSeen, to netip.AddrPort) *Problem {
	ping := "and no ping to the VIP"
	if p.vip.Outcome == probe.Accepted {
		ping = "but a ping to the VIP"
	}
	return &skip("whether %s serves %s/udp cannot be told from here: it answers nothing to %s, which a server need not, %s",
		p.server.rip, to, probe.RequestName(to.Port()), ping)[0]
}
