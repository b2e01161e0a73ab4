package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// How often the VIP is knocked at: the first service so often that every real server
// of a small cluster has its turn, the others to see that they are there at all. Each
// knock is an entry in the director's table for some seconds.
const (
	mostReplies  = 8
	otherReplies = 2
)

// turns is how often a service of so many real servers is knocked at. Persistence
// has the first one answer always.
func turns(v ipvs.Entry, first bool) int {
	if !first || v.Persistence > 0 {
		return otherReplies
	}
	return max(otherReplies, min(mostReplies, 2*len(v.Destinations)))
}

var replies = &Check{
	Code:  "replies",
	Title: "the VIP answers, and the answers come from the real servers",
	Why:   "It is the whole way of a client's first packet: to the director, on to a real server, and back past the director.",
	Wire:  true,
	Needs: []*Check{vipClaim, realServerAnswers, drPath},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("the cluster is not set up yet"), nil
		}
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		far, near := s.beyond()
		problems, err := e.eachVIP(near, func(v *vipSeen) ([]Problem, error) {
			if v.holder() == nil || !v.source.IsValid() {
				return skip("it is not known at whose MAC address to knock, or this host has no address on %s", v.link.Name), nil
			}
			all, err := e.knockVIP(ctx, v, v.holder())
			if err != nil {
				return nil, err
			}
			return s.replyProblems(v, all), nil
		})
		errs := []error{err}
		for _, v := range far.vips {
			found, err := e.repliesByGateway(ctx, v)
			problems, errs = append(problems, found...), append(errs, err)
		}
		return problems, errors.Join(errs...)
	},
}

// vipReplies are the replies to the knocks at one service of a VIP.
type vipReplies struct {
	id  ipvs.ID
	all []probe.Reply
}

// lost counts the knocks that no SYN-ACK came of, and tells what came of one of them.
func (r vipReplies) lost() (n int, worst probe.Reply) {
	for _, x := range r.all {
		if x.Outcome != probe.Accepted {
			n, worst = n+1, x
		}
	}
	return n, worst
}

// knockVIP knocks at the VIP's TCP services as a client does, through the director or the
// gateway that has this MAC address.
func (e *Exam) knockVIP(ctx context.Context, v *vipSeen, at net.HardwareAddr) ([]vipReplies, error) {
	var all []vipReplies
	var knocks []probe.Knock
	for _, service := range e.Config.VirtualServices() {
		if service.Addr != v.addr || service.Protocol != cluster.TCP || service.Port == 0 || len(all) == mostServices {
			continue
		}
		n := turns(service, len(all) == 0)
		to := netip.AddrPortFrom(v.addr, service.Port)
		for range n {
			knocks = append(knocks, probe.Knock{Kind: probe.SYN, To: to, From: v.source, MAC: at})
		}
		all = append(all, vipReplies{id: service.ID, all: make([]probe.Reply, n)})
	}
	got, err := e.Host.Wire.Knock(ctx, v.link.Name, knocks, e.wait())
	for _, r := range all {
		got = got[copy(r.all, got):]
	}
	return all, err
}

// replyProblems judges each service. That all came from one real server is fine:
// persistence does that, or a scheduler that hashes the client.
func (s *survey) replyProblems(v *vipSeen, all []vipReplies) []Problem {
	var problems []Problem
	var spread []string
	for _, r := range all {
		if p := s.noReply(v, r); p != nil {
			problems = append(problems, *p)
			continue
		}
		spread = append(spread, fmt.Sprintf("%s: %s", netip.AddrPortFrom(r.id.Addr, r.id.Port), s.spread(r.all)))
		if p := s.notDirect(v, r); p != nil {
			problems = append(problems, *p)
		}
	}
	switch {
	case len(all) == 0:
		return skip("the VIP %s has no TCP service to knock at", v.addr)
	case len(problems) == 0:
		return []Problem{{Severity: OK, What: "the VIP answers from the real servers, " + strings.Join(spread, "; ")}}
	}
	return problems
}

// noReply: a service that does not answer, or not always.
func (s *survey) noReply(v *vipSeen, r vipReplies) *Problem {
	lost, worst := r.lost()
	if lost == 0 {
		return nil
	}
	to := netip.AddrPortFrom(r.id.Addr, r.id.Port)
	p := &Problem{
		What:   fmt.Sprintf("%d of %d connections to %s through %s are %s", lost, len(r.all), to, v.holder(), s.outcome(worst)),
		Advice: "run \"lvsdr doctor director\" on the director",
	}
	switch {
	case worst.Outcome == probe.Reset && bytes.Equal(worst.MAC, v.holder()) && s.whose(v.holder(), v.addr) != nil:
		p.Advice += ", which is a real server too: the server for its own share does not run, or does not listen for the VIP"
	case worst.Outcome == probe.Reset && bytes.Equal(worst.MAC, v.holder()):
		p.Advice += ": it refuses them itself, which it does for a port that it does not balance"
	case worst.Outcome == probe.Unreachable && bytes.Equal(worst.MAC, v.holder()):
		p.Advice += ": it says so when the service has no real server of a weight above 0, or a packet filter rejects them"
	case worst.Outcome == probe.Silent && lost == len(r.all):
		p.Advice += ": its packet filter drops them, or it does not forward by direct routing. Where it finds nothing: the real servers have no way back to this " +
			"host (\"lvsdr doctor realserver --client ADDRESS\" there, with this host's), or the network lets the director's port send from its own addresses only " +
			"and drops what it sends on (port security, anti-spoofing, source/destination check)"
	}
	return p
}

func (s *survey) outcome(r probe.Reply) string {
	switch r.Outcome {
	case probe.Silent:
		return "not answered"
	case probe.Reset:
		return fmt.Sprintf("refused (RST) by %s", s.name(r.MAC, r.From))
	case probe.Unreachable:
		name, _ := icmpReason(r, r.From.Is6())
		return fmt.Sprintf("rejected with %s by %s", name, s.name(r.MAC, r.From))
	}
	return fmt.Sprintf("%s by %s", r.Outcome, s.name(r.MAC, r.From))
}

// notDirect: replies that come from the director itself. One that is also a real
// server of its own sends a share of them.
func (s *survey) notDirect(v *vipSeen, r vipReplies) *Problem {
	for _, x := range r.all {
		if !bytes.Equal(x.MAC, v.holder()) {
			return nil
		}
	}
	if s.whose(v.holder(), v.addr) != nil {
		return nil
	}
	p := warning("", "all %d replies of %s come from the MAC address of the director, %s: it serves them itself, or forwards by another method than direct routing",
		len(r.all), netip.AddrPortFrom(r.id.Addr, r.id.Port), v.holder())
	p.Advice = "run \"lvsdr doctor director\" on the director"
	return &p
}

// spread counts the replies by who sent them.
func (s *survey) spread(all []probe.Reply) string {
	count := map[string]int{}
	for _, r := range all {
		count[s.name(r.MAC, r.From)]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	var text []string
	for _, n := range names {
		text = append(text, fmt.Sprintf("%d from %s", count[n], n))
	}
	return strings.Join(text, ", ")
}
