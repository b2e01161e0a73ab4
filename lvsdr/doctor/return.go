package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

var returnRoute = &Check{
	Code:  "return-route",
	Title: "replies to clients have a way, and it does not lead through the VIP",
	Why:   "A reply comes from the VIP: without a route it is never sent, and a director drops a packet whose source is an address of its own.",
	Needs: []*Check{linkUsable, vipHeld, vipMask},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.aboutEachVIP(ctx, (*Exam).wayBack)
	},
}

var returnGateway = &Check{
	Code:  "return-gateway",
	Title: "the gateway of replies to clients answers, and is not the director",
	Why:   "A reply comes from the VIP: a gateway that is not there sends it nowhere, and a director drops a packet whose source is an address of its own.",
	Wire:  true,
	Needs: []*Check{returnRoute},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.aboutEachVIP(ctx, (*Exam).gatewayIsDirector)
	},
}

// aboutEachVIP collects what a question finds about each VIP.
func (e *Exam) aboutEachVIP(ctx context.Context, ask func(*Exam, context.Context, netip.Addr) ([]Problem, error)) ([]Problem, error) {
	var problems []Problem
	var errs []error
	for _, vip := range e.Config.VIPs() {
		found, err := ask(e, ctx, vip)
		problems, errs = append(problems, found...), append(errs, err)
	}
	return problems, errors.Join(errs...)
}

// replyRoute is the route of replies from the VIP to where its clients are.
func (e *Exam) replyRoute(ctx context.Context, vip netip.Addr) (host.Route, error) {
	q := host.RouteQuery{To: e.someClient(vip), From: vip}
	if taken, err := e.Takes(ctx, vip); err != nil || !taken { // redirected: the kernel refuses a source that is not its own
		q.From = netip.Addr{}
	}
	return e.Host.Observer.RouteOf(ctx, q)
}

func (e *Exam) wayBack(ctx context.Context, vip netip.Addr) ([]Problem, error) {
	to := e.someClient(vip)
	r, err := e.replyRoute(ctx, vip)
	switch {
	case errors.Is(err, fs.ErrNotExist) && to == e.Client:
		p := problem("", "there is no route from the VIP %s back to the client %s (%v)", vip, to, err)
		p.Advice = fmt.Sprintf("\"ip route get %s from %s\" shows it; the default gateway is to be the LAN's router, not the director", to, vip)
		return []Problem{p}, nil
	case unreachable(err):
		p := warning("", "a route refuses what is not on the LAN (unreachable, blackhole or prohibit): replies of the VIP %s go no further", vip)
		p.Advice = "clients beyond the LAN need a default route by the LAN's router: \"ip route\" shows the one that refuses them"
		return []Problem{p}, nil
	case errors.Is(err, fs.ErrNotExist): // no default route: all clients may be on the LAN
		return nil, nil
	case err != nil || !e.isVIP(r.Gateway):
		return nil, err
	}
	return []Problem{throughDirector(vip, r, "which is the VIP")}, nil
}

// unreachable tells the answers for routes of type blackhole, unreachable and prohibit
// (fib_props in net/ipv4/fib_semantics.c) from that for no route.
func unreachable(err error) bool {
	return slices.ContainsFunc([]error{syscall.EINVAL, syscall.EHOSTUNREACH, syscall.EACCES},
		func(errno error) bool { return errors.Is(err, errno) })
}

// gatewayIsDirector compares the MAC address of the gateway with that of who answers
// for the VIP on its LAN.
func (e *Exam) gatewayIsDirector(ctx context.Context, vip netip.Addr) ([]Problem, error) {
	r, err := e.replyRoute(ctx, vip)
	if err != nil || !r.Gateway.IsValid() || e.isVIP(r.Gateway) {
		return nil, nil // there is no gateway to ask for, or return-route has told
	}
	questions := []probe.Question{{Target: vip}, {Target: r.Gateway}}
	if source, err := e.ownAddress(ctx, r.Link, r.Gateway); err == nil && source.IsValid() {
		questions = append(questions, probe.Question{Target: r.Gateway, Source: source})
	}
	answers, err := e.Host.Wire.Ask(ctx, r.Link, questions, surveyTime)
	if err != nil {
		return nil, fmt.Errorf("whether the gateway %s is the director: %w", r.Gateway, err)
	}
	if len(slices.Concat(answers[1:]...)) == 0 {
		return e.silentGateway(ctx, vip, r)
	}
	if same := sameMAC(answers[0], answers[1]); same != "" {
		return []Problem{throughDirector(vip, r, same)}, nil
	}
	return nil, nil
}

// silentGateway tells of a gateway that answers no ARP. That is no harm where its MAC
// address is written down, or where the interface needs none.
func (e *Exam) silentGateway(ctx context.Context, vip netip.Addr, r host.Route) ([]Problem, error) {
	l, _, err := e.Link(ctx, r.Link)
	if err != nil || l.NoARP {
		return nil, err
	}
	known, err := e.Neighbours(ctx)
	if n := entriesOf(known)[spot{r.Gateway, r.Link}]; err != nil || n != nil && n.State == "PERMANENT" {
		return nil, err
	}
	what := fmt.Sprintf("the gateway %s of the VIP %s's replies answers no %s on %s: clients beyond it get none", r.Gateway, vip, question(r.Gateway), r.Link)
	p := Problem{Severity: Warning, What: what, Advice: fmt.Sprintf("bring it back, or let the router that is there be it: ip route replace default via ROUTER dev %s. "+
		"It is no harm where all clients are on the LAN", host.ShellWord(r.Link))}
	if e.someClient(vip) == e.Client {
		p.Severity, p.What = Failure, fmt.Sprintf("the gateway %s, by which replies of the VIP %s leave to the client %s, answers no %s on %s",
			r.Gateway, vip, e.Client, question(r.Gateway), r.Link)
		p.Advice = fmt.Sprintf("bring it back, or let the router that is there be it: ip route replace default via ROUTER dev %s", host.ShellWord(r.Link))
	}
	return []Problem{p}, nil
}

// throughDirector tells that the route of a VIP's replies leads to the director, and
// how that was seen.
func throughDirector(vip netip.Addr, r host.Route, seen string) Problem {
	p := problem("", "replies of the VIP %s leave by the gateway %s, %s: the director drops what comes from an address of its own", vip, r.Gateway, seen)
	p.Advice = "let the LAN's router be the gateway, as its users know it: ip route replace default via ROUTER dev " + host.ShellWord(r.Link) +
		"; a director can be it only with ip_forward=1, accept_local=1 and rp_filter=0"
	return p
}

// sameMAC tells that one host answers for both, empty when none does.
func sameMAC(vip, gateway []probe.Answer) string {
	for _, v := range vip {
		for _, g := range gateway {
			if slices.Equal(v.MAC, g.MAC) {
				return fmt.Sprintf("which is the director: %s answers for both", v.MAC)
			}
		}
	}
	return ""
}
