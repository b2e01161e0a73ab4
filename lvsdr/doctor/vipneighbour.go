package doctor

import (
	"bytes"
	"context"
	"fmt"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

var vipNeighbour = &Check{
	Code:  "vip-neighbour",
	Title: "this host sends the VIP's packets to the host that answers for it",
	Why:   "A neighbour entry that is out of date sends this host's requests past the director, or nowhere.",
	Wire:  true,
	Needs: []*Check{vipClaim},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		return e.eachVIP(s, func(v *vipSeen) ([]Problem, error) { return s.staleVIP(v), nil })
	},
}

// staleVIP compares the entry that was there before anybody was asked: the answers
// to our own question have put right all that are not static.
func (s *survey) staleVIP(v *vipSeen) []Problem {
	n, holder := v.before, v.holder()
	if n == nil || n.MAC == nil || holder == nil || n.State == "FAILED" || n.State == "INCOMPLETE" {
		return nil
	}
	forget := fmt.Sprintf("ip neigh del %s dev %s", v.addr, host.ShellWord(v.link.Name))
	switch right := bytes.Equal(n.MAC, holder); {
	case right && n.State == "PERMANENT":
		return []Problem{warning(forget, "the neighbour entry of the VIP %s is static (%s): it stays when another director takes the VIP", v.addr, n.MAC)}
	case right:
		return nil
	}
	p := problem(forget, "the neighbour entry of the VIP %s is %s, state %s, but only %s answers for it", v.addr, s.name(n.MAC, v.addr), n.State, holder)
	p.Advice = fmt.Sprintf("other hosts may have it too: on the director, \"arping -U -c 3 -I %s %s\" tells all", host.ShellWord(v.link.Name), v.addr)
	if v.addr.Is6() {
		p.Advice = "other hosts may have it too, until they look for it again"
	}
	return []Problem{p}
}
