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
		judged := s.serving()
		if len(judged) == 0 {
			return skip("no real server told which size it takes: see dr-path"), nil
		}
		var problems []Problem
		var links []string
		for _, p := range judged {
			for _, l := range s.way(p) {
				if slices.Contains(links, l.Name) {
					continue
				}
				links = append(links, l.Name)
				if found := s.tooSmall(l, judged); found != nil {
					problems = append(problems, *found)
				}
			}
		}
		return problems, nil
	},
}

// serving are the paths by which a real server told which size it takes, the first of
// each in either family.
func (s *survey) serving() (paths []*pathSeen) {
	for _, p := range s.paths {
		known := func(o *pathSeen) bool { return o.server == p.server }
		if p.reply.MSS > 0 && p.serves() && !slices.ContainsFunc(paths, known) {
			paths = append(paths, p)
		}
	}
	return paths
}

// allowed is the size of the packets that the real server tells clients to send: what
// it takes in a segment, and the headers of IP and TCP.
func (p *pathSeen) allowed() int {
	if p.id.Addr.Is6() {
		return int(p.reply.MSS) + 60
	}
	return int(p.reply.MSS) + 40
}

// way are the interfaces that the path's packets come in by and go on by.
func (s *survey) way(p *pathSeen) []host.Link {
	links := []host.Link{p.server.link}
	if v := s.vip(p.id.Addr); v.err == nil && v.link.Name != p.server.link.Name {
		links = append(links, v.link)
	}
	return slices.DeleteFunc(links, func(l host.Link) bool { return l.MTU == 0 })
}

// tooSmall tells of an interface that does not take what real servers on paths through
// it allow, by the one that allows most; nil: it does. Clients that have no more than
// Ethernet's size are not hurt by real servers that take more.
func (s *survey) tooSmall(l host.Link, paths []*pathSeen) *Problem {
	larger := slices.DeleteFunc(slices.Clone(paths), func(p *pathSeen) bool {
		passes := slices.ContainsFunc(s.way(p), func(o host.Link) bool { return o.Name == l.Name })
		return !passes || p.allowed() <= l.MTU
	})
	if len(larger) == 0 {
		return nil
	}
	p := slices.MaxFunc(larger, func(a, b *pathSeen) int { return a.allowed() - b.allowed() })
	found := &Problem{
		What: fmt.Sprintf("%s tells clients to send packets of up to %d bytes (MSS %d), but %s of this director takes %d: larger requests are lost here",
			p.server.rip, p.allowed(), p.reply.MSS, l.Name, l.MTU),
		Advice: fmt.Sprintf("all hosts of a LAN need the same MTU: where the others have %[1]d, \"ip link set dev %[2]s mtu %[1]d\", and in this host's network configuration; "+
			"where the LAN takes no more than %[3]d, give the real servers that", p.allowed(), l.Name, l.MTU),
	}
	if l.MTU >= ethernetMTU {
		found.Severity = Warning
		found.What += fmt.Sprintf(", of clients whose own MTU is above %d", l.MTU)
	}
	if more := len(larger) - 1; more > 0 {
		found.What += fmt.Sprintf("; the same with %d more", more)
	}
	return found
}
