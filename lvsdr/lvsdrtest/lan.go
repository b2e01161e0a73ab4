package lvsdrtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// neighbourhood is the other hosts of the LAN, as the world's Wire meets them.
type neighbourhood struct {
	stations []station
	answers  []answer
	claims   []probe.Claim
	adverts  []probe.Advert
	pages    []page
}

// A station answers ARP, or neighbour solicitations, for an address. Those with a
// MAC address of the world's own do not count: one description serves every host.
type station struct {
	mac  net.HardwareAddr
	addr netip.Addr
}

// An answer is what comes of a packet to an address at a MAC address.
type answer struct {
	mac     net.HardwareAddr
	to      netip.AddrPort // port 0: an echo request
	outcome probe.Outcome
	from    []net.HardwareAddr // who sends it, by turns; none: mac
	mss     uint16             // of a SYN-ACK
	turn    int
}

// A page is what HTTP brings from an address, in small segments and in large ones:
// fewer bytes in large ones is a stall, none in small ones is no HTTP.
type page struct {
	from         netip.AddrPort
	small, large int64
}

type wire struct{ *state }

func (s wire) Ask(_ context.Context, link string, questions []probe.Question, _ time.Duration) ([][]probe.Answer, error) {
	l := s.link(link)
	if l == nil {
		return nil, noLink(link)
	}
	all := make([][]probe.Answer, len(questions))
	for i, q := range questions {
		if l.Kind == "ipvlan" && !q.Source.IsValid() && q.Target.Is4() {
			continue // the answer has no address that an ipvlan has
		}
		for _, mac := range s.who(q.Target) {
			all[i] = append(all[i], probe.Answer{MAC: mac, From: mac})
		}
	}
	return all, nil
}

func (s wire) Knock(_ context.Context, link string, knocks []probe.Knock, _ time.Duration) ([]probe.Reply, error) {
	if s.link(link) == nil {
		return nil, noLink(link)
	}
	replies := make([]probe.Reply, len(knocks))
	for i, k := range knocks {
		replies[i] = s.knock(k)
	}
	return replies, nil
}

// Claims hears all at once, so that cancelling comes too late.
func (s wire) Claims(ctx context.Context, link string, addrs []netip.Addr, _ time.Duration) (all []probe.Claim, err error) {
	if s.link(link) == nil {
		return nil, noLink(link)
	}
	for _, c := range s.claims {
		if slices.Contains(addrs, c.Addr) && !s.mine(c.MAC) {
			all = append(all, c)
		}
	}
	return all, ctx.Err()
}

// Adverts hears all at once.
func (s wire) Adverts(ctx context.Context, link string, _ time.Duration) (all []probe.Advert, err error) {
	if s.link(link) == nil {
		return nil, noLink(link)
	}
	for _, a := range s.adverts {
		if !s.mine(a.MAC) {
			all = append(all, a)
		}
	}
	return all, ctx.Err()
}

// connect goes to the first host that answers ARP for the address.
func (s wire) connect(to netip.AddrPort) error {
	macs := s.who(to.Addr())
	if len(macs) == 0 {
		return fmt.Errorf("connect %s: %w", to, syscall.EHOSTUNREACH)
	}
	switch s.knock(probe.Knock{Kind: probe.SYN, To: to, MAC: macs[0]}).Outcome {
	case probe.Accepted:
		return nil
	case probe.Reset:
		return fmt.Errorf("connect %s: %w", to, syscall.ECONNREFUSED)
	case probe.Unreachable:
		return fmt.Errorf("connect %s: %w", to, syscall.EHOSTUNREACH)
	}
	return fmt.Errorf("connect %s: %w", to, os.ErrDeadlineExceeded)
}

func (s wire) Fetch(_ context.Context, from netip.AddrPort, mss int) (int64, error) {
	if err := s.connect(from); err != nil {
		return 0, err
	}
	// The latest counts.
	for _, p := range slices.Backward(s.pages) {
		switch {
		case p.from != from:
		case p.small == 0:
			return 0, fmt.Errorf("fetch %s: %w", from, host.ErrNoHTTP)
		case mss > 0:
			return p.small, nil
		case p.large < p.small:
			return p.large, fmt.Errorf("fetch %s: %w", from, os.ErrDeadlineExceeded)
		default:
			return p.large, nil
		}
	}
	return 0, fmt.Errorf("fetch %s: %w", from, host.ErrNoHTTP)
}

func (s *state) mine(mac net.HardwareAddr) bool {
	return slices.ContainsFunc(s.links, func(l host.Link) bool { return bytes.Equal(l.MAC, mac) })
}

// who answers for an address.
func (s *state) who(addr netip.Addr) (macs []net.HardwareAddr) {
	for _, n := range s.stations {
		if n.addr == addr && !s.mine(n.mac) {
			macs = append(macs, n.mac)
		}
	}
	return macs
}

// knock is what the host at a MAC address makes of a packet when nothing else was
// said: to its own address, it answers an echo request and refuses the rest; what
// is for another address it drops, as it does not forward.
func (s *state) knock(k probe.Knock) probe.Reply {
	port := k.To.Port()
	if k.Kind == probe.Echo {
		port = 0
	}
	to := netip.AddrPortFrom(k.To.Addr(), port)
	for i := range s.answers {
		a := &s.answers[i]
		if !bytes.Equal(a.mac, k.MAC) || a.to != to {
			continue
		}
		mac := a.mac
		if len(a.from) > 0 {
			mac = a.from[a.turn%len(a.from)]
			a.turn++
		}
		r := reply(a.outcome, mac, to.Addr())
		if r.MSS = a.mss; r.Outcome == probe.Misaddressed {
			r.From = s.addressOf(mac, to.Addr())
		}
		return r
	}
	own := func(n station) bool { return n.addr == to.Addr() && bytes.Equal(n.mac, k.MAC) }
	switch {
	case !slices.ContainsFunc(s.stations, own):
		return probe.Reply{Outcome: probe.Silent}
	case k.Kind == probe.Echo:
		return reply(probe.Accepted, k.MAC, to.Addr())
	case k.Kind == probe.SYN:
		return reply(probe.Reset, k.MAC, to.Addr())
	}
	return reply(probe.Unreachable, k.MAC, to.Addr())
}

// addressOf is another address of the host at a MAC address.
func (s *state) addressOf(mac net.HardwareAddr, but netip.Addr) netip.Addr {
	i := slices.IndexFunc(s.stations, func(n station) bool {
		return bytes.Equal(n.mac, mac) && n.addr != but && n.addr.Is4() == but.Is4()
	})
	if i < 0 {
		return netip.Addr{}
	}
	return s.stations[i].addr
}

func reply(o probe.Outcome, mac net.HardwareAddr, from netip.Addr) probe.Reply {
	if o == probe.Silent {
		return probe.Reply{Outcome: o}
	}
	r := probe.Reply{Outcome: o, MAC: mac, From: from, TTL: 64}
	if o == probe.Unreachable { // port unreachable: RFC 792, RFC 4443
		r.Type, r.Code = 3, 3
		if from.Is6() {
			r.Type, r.Code = 1, 4
		}
	}
	return r
}
