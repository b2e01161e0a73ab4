package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// smallMSS is the segment size that every IPv4 host takes (RFC 9293 section 3.7.1),
// less than any path's.
const smallMSS = 536

var largeReplies = &Check{
	Code:  "large-replies",
	Title: "large replies arrive",
	Why:   "Where a link on the way takes smaller packets only, its router's ICMP message goes to the VIP, thus to the director, which must hand it on to the real server.",
	Wire:  true,
	Needs: []*Check{vipNeighbour, replies},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("the cluster is not set up yet"), nil
		}
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, v := range s.vips {
			if v.mine {
				problems = append(problems, skip("this host has the VIP %s itself", v.addr)...)
				continue
			}
			problems = append(problems, e.fetchVIP(ctx, v.addr)...)
		}
		return problems, nil
	},
}

// fetchVIP fetches from the first TCP services of a VIP.
func (e *Exam) fetchVIP(ctx context.Context, vip netip.Addr) []Problem {
	var problems []Problem
	tried := 0
	for _, service := range e.Config.VirtualServices() {
		if service.Addr != vip || service.Protocol != cluster.TCP || service.Port == 0 || tried == mostServices {
			continue
		}
		tried++
		if p := e.fetchService(ctx, netip.AddrPortFrom(vip, service.Port)); p != nil {
			problems = append(problems, *p)
		}
	}
	if tried == 0 {
		return skip("the VIP %s has no TCP service to fetch from", vip)
	}
	return problems
}

// fetchService fetches as any client does. When that stalls, a second time in small
// segments: bytes that come only so tell of the size. What is refused or no HTTP is
// not this check's matter.
func (e *Exam) fetchService(ctx context.Context, from netip.AddrPort) *Problem {
	large, err := e.Host.Wire.Fetch(ctx, from, 0)
	switch {
	case err == nil, errors.Is(err, context.DeadlineExceeded) && large > 0:
		return nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return &skip("%s brings nothing to judge by: %v", from, err)[0]
	}
	small, err := e.Host.Wire.Fetch(ctx, from, smallMSS)
	// What fits into one small segment was not lost for its size.
	if small <= max(large, smallMSS) || err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return &skip("%s is silent, in small segments too: %d bytes came", from, max(small, large))[0]
	}
	return &Problem{
		What: fmt.Sprintf("an HTTP answer from %s stalls after %d bytes, but comes in segments of %d bytes (%d bytes): larger packets are lost on the way, and who sends them is not told",
			from, large, smallMSS, small),
		Advice: "let ICMP \"fragmentation needed\" (IPv6: \"packet too big\") through to the VIP in every packet filter between the narrow link and the director, and on the director: \"lvsdr doctor director\" names a rule there; it relays them to the real server",
	}
}
