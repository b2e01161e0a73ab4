package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ethernetMTU is what nearly every client has: one that is told of less sends less,
// one that is told of more does not send more.
const ethernetMTU = 1500

var largeRequests = &Check{
	Code:  "large-requests",
	Title: "requests as large as the real servers allow fit through this director",
	Why: "A real server tells clients by its own MTU how large their packets may be; what is larger than the director's MTU is lost there, " +
		"and uploads hang while small requests are served.",
	Wire:  true,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("the cluster is not set up yet"), nil
		}
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		var judged []*serverSeen
		for _, p := range s.paths {
			if p.reply.MSS == 0 || !p.serves() || slices.Contains(judged, p.server) {
				continue
			}
			judged = append(judged, p.server)
			for _, l := range s.narrower(p) {
				problems = append(problems, tooLarge(p, l))
			}
		}
		if len(judged) == 0 {
			return skip("no real server told which size it takes: see dr-path"), nil
		}
		return problems, nil
	},
}

// allowed is the size of the packets that the real server tells clients to send: what
// it takes in a segment, and the headers of IP and TCP.
func (p *pathSeen) allowed() int {
	if p.id.Addr.Is6() {
		return int(p.reply.MSS) + 60
	}
	return int(p.reply.MSS) + 40
}

// narrower are the interfaces that such a packet does not fit through: the one that it
// comes in by and the one that it goes on by.
func (s *survey) narrower(p *pathSeen) []host.Link {
	links := []host.Link{p.server.link}
	if v := s.vip(p.id.Addr); v.err == nil && v.link.Name != p.server.link.Name {
		links = append(links, v.link)
	}
	return slices.DeleteFunc(links, func(l host.Link) bool { return l.MTU == 0 || p.allowed() <= l.MTU })
}

// tooLarge tells of one. Clients that have no more than Ethernet's size are not hurt by
// real servers that take more.
func tooLarge(p *pathSeen, l host.Link) Problem {
	found := Problem{
		What: fmt.Sprintf("%s tells clients to send packets of up to %d bytes (MSS %d), but %s of this director takes %d: larger requests are lost here",
			p.server.rip, p.allowed(), p.reply.MSS, l.Name, l.MTU),
		Advice: fmt.Sprintf("all hosts of a LAN need the same MTU: where the others have %[1]d, \"ip link set dev %[2]s mtu %[1]d\", and in this host's network configuration; "+
			"where the LAN takes no more than %[3]d, give %[4]s that", p.allowed(), l.Name, l.MTU, p.server.rip),
	}
	if l.MTU >= ethernetMTU {
		found.Severity = Warning
		found.What += fmt.Sprintf(", of clients whose own MTU is above %d", l.MTU)
	}
	return found
}
