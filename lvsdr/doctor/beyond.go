package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// A client that reaches a VIP by a gateway sees nobody on the VIP's LAN. It can try the
// service all the same, as its users do.

// beyond are the VIPs that this host reaches by a gateway, within those that it sees.
func (s *survey) beyond() (far, near *survey) {
	isFar := func(v *vipSeen) bool { return v.gateway.IsValid() && !v.mine }
	far, near = &survey{}, &survey{}
	*near = *s
	far.vips = slices.DeleteFunc(slices.Clone(s.vips), func(v *vipSeen) bool { return !isFar(v) })
	near.vips = slices.DeleteFunc(slices.Clone(s.vips), isFar)
	return far, near
}

// repliesByGateway knocks at a VIP by the MAC address of the gateway that leads there.
func (e *Exam) repliesByGateway(ctx context.Context, v *vipSeen) ([]Problem, error) {
	if !v.source.IsValid() {
		return skip("this host has no address on %s to knock from", v.link.Name), nil
	}
	answers := make([]probe.Answer, 0)
	asked := []probe.Question{{Target: v.gateway, Source: v.source}}
	if err := e.ask(ctx, v.link.Name, asked, []*[]probe.Answer{&answers}, e.wait()); err != nil {
		return nil, err
	}
	if len(answers) == 0 {
		p := problem("", "the gateway %s on %s, by which this host reaches the VIP %s, answers no %s", v.gateway, v.link.Name, v.addr, question(v.gateway))
		p.Advice = "bring it back, or route the VIP by the one that is there; nothing can be told of the cluster from here"
		return []Problem{p}, nil
	}
	all, err := e.knockVIP(ctx, v, answers[0].MAC)
	if err != nil {
		return nil, err
	}
	return v.repliesFromAfar(all), nil
}

// repliesFromAfar judges whether each service answers; who does is not seen.
func (v *vipSeen) repliesFromAfar(all []vipReplies) []Problem {
	if len(all) == 0 {
		return skip("the VIP %s has no TCP service to knock at", v.addr)
	}
	var problems []Problem
	for _, r := range all {
		lost, worst := r.lost()
		if lost == 0 {
			continue
		}
		to := netip.AddrPortFrom(r.id.Addr, r.id.Port)
		p := problem("", "%d of %d connections to %s by the gateway %s are %s", lost, len(r.all), to, v.gateway, farOutcome(worst))
		p.Advice = fmt.Sprintf("run \"lvsdr doctor director\" on the director and \"lvsdr doctor realserver --client %s\" on the real servers: "+
			"from beyond a gateway it is not seen where they end", v.source)
		problems = append(problems, p)
	}
	if len(problems) == 0 {
		return []Problem{{Severity: OK, What: fmt.Sprintf("the VIP %s answers, by the gateway %s", v.addr, v.gateway)}}
	}
	return problems
}

// farOutcome tells what came of a knock whose answer came by a router.
func farOutcome(r probe.Reply) string {
	switch r.Outcome {
	case probe.Silent:
		return "not answered"
	case probe.Reset:
		return "refused (RST)"
	case probe.Unreachable:
		name, _ := icmpReason(r, r.From.Is6())
		return fmt.Sprintf("rejected with %s by %s", name, r.From)
	}
	return string(r.Outcome)
}
