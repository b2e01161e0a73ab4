package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var listenerThere = &Check{
	Code:  "listener",
	Title: "somebody listens for the VIP on every port",
	Why: "The packets arrive for the VIP: a server that listens on the host's own address alone refuses them, " +
		"although a health check of that address passes.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		all, err := e.Listeners(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		openings := step.OpeningsOf(e.Config)
		if e.Role == cluster.DirectorRole {
			if openings, err = e.ownOpenings(ctx); err == nil && len(openings) == 0 {
				return skip("this director is no real server of its own"), nil
			}
		}
		if err != nil {
			return nil, err
		}
		var errs []error
		for _, o := range openings {
			if o.Port == 0 {
				continue
			}
			found, err := e.listens(ctx, o, all)
			problems, errs = append(problems, found...), append(errs, err)
		}
		return problems, errors.Join(errs...)
	},
}

// listens tells that nobody takes an opening's packets.
func (e *Exam) listens(ctx context.Context, o host.Opening, all []host.Listener) ([]Problem, error) {
	inlets, err := e.inlets(ctx, o.VIP)
	if err != nil && !errors.Is(err, ErrNoLAN) && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	takes := func(l host.Listener) bool { return l.Takes(o.VIP, o.Port, o.Protocol) && hears(l, inlets) }
	if slices.ContainsFunc(all, func(l host.Listener) bool { return takes(l) && !(l.Unsure && o.VIP.Is4()) }) {
		return nil, nil
	}
	if elsewhere, err := e.takenElsewhere(ctx, o); elsewhere || err != nil {
		return nil, err
	}
	for _, l := range all {
		either := l
		either.Both = true
		if l.Unsure && takes(either) {
			return nil, fmt.Errorf("whether %s, which listens on [::]:%d, takes IPv4 too: its socket cannot be asked (pidfd_getfd(2)), as in many containers",
				cmp.Or(l.Process, "somebody"), l.Port)
		}
	}
	near := slices.DeleteFunc(slices.Clone(all), func(l host.Listener) bool {
		return l.Protocol != o.Protocol || l.Port != o.Port || l.Addr.IsLoopback()
	})
	p := noListener(o, near, inlets)
	if len(near) == 0 {
		if published, err := e.publishedOn(ctx, o); err != nil {
			return nil, err
		} else if published.IsValid() {
			return []Problem{publishedElsewhere(o, published)}, nil
		}
	}
	if len(near) == 0 && e.Stage != InService {
		p.Severity = Warning // the server is often installed after
	}
	return []Problem{p}, nil
}

// hears tells whether the listener gets what comes in by one of the inlets: a socket that
// is bound to an interface gets what comes in by that one, or by those of the VRF that it
// is (inet_sk_bound_dev_eq in include/net/inet_sock.h). Without a LAN all are taken
// to hear.
func hears(l host.Listener, inlets []host.Link) bool {
	return l.Link == "" || len(inlets) == 0 || slices.ContainsFunc(inlets, func(lan host.Link) bool {
		return lan.Name == "" || l.Link == lan.Name || l.Link == lan.Master
	})
}

// takenElsewhere tells whether the packets do not need a listener: they are
// redirected, or the host, no director, balances them on.
func (e *Exam) takenElsewhere(ctx context.Context, o host.Opening) (bool, error) {
	if e.Role == cluster.DirectorRole {
		return e.redirected(ctx, o)
	}
	table, err := e.Table(ctx)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return false, err
	}
	if slices.ContainsFunc(table, func(v ipvs.Entry) bool {
		return v.ID == ipvs.ID{Addr: o.VIP, Port: o.Port, Protocol: o.Protocol}
	}) {
		return true, nil
	}
	return e.redirected(ctx, o)
}

// redirected tells whether a rule translates the packets for the VIP before they
// are looked up: REDIRECT or DNAT.
func (e *Exam) redirected(ctx context.Context, o host.Opening) (bool, error) {
	p, err := e.passage(ctx, o.VIP)
	if errors.Is(err, ErrNoLAN) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return p.rules.Trace(p.packet(o, firstPacket)).Packet.Translated, nil
}

// publishedOn is an address of this host, other than the VIP, for which the port is
// translated: a container's port that is published on that address alone. Invalid:
// there is none.
func (e *Exam) publishedOn(ctx context.Context, o host.Opening) (netip.Addr, error) {
	all, err := e.Addresses(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	p, err := e.passage(ctx, o.VIP)
	if errors.Is(err, ErrNoLAN) {
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range all {
		own := o
		own.VIP = a.Prefix.Addr()
		if own.VIP.Is4() == o.VIP.Is4() && own.VIP != o.VIP && !own.VIP.IsLoopback() &&
			p.rules.Trace(p.packet(own, firstPacket)).Packet.Translated {
			return own.VIP, nil
		}
	}
	return netip.Addr{}, nil
}

func publishedElsewhere(o host.Opening, on netip.Addr) Problem {
	at := netip.AddrPortFrom(on, o.Port)
	p := problem("", "nobody listens on %s, and a rule sends on what comes for %s alone: a container's port is published on that address only", o, at)
	p.Advice = fmt.Sprintf("Publish the port on all addresses (\"-p %d:…\", not \"-p %s:…\") or on %s too.", o.Port, at, netip.AddrPortFrom(o.VIP, o.Port))
	return p
}

// someClient is an address to ask about.
func (e *Exam) someClient(vip netip.Addr) netip.Addr {
	switch {
	case e.Client.IsValid() && e.Client.Is4() == vip.Is4():
		return e.Client
	case vip.Is6():
		return netip.MustParseAddr("2001:db8::1") // RFC 3849
	}
	return netip.MustParseAddr("192.0.2.1") // RFC 5737
}

// noListener tells who listens on the port for other addresses.
func noListener(o host.Opening, near []host.Listener, inlets []host.Link) Problem {
	at := netip.AddrPortFrom(o.VIP, o.Port)
	if len(near) == 0 {
		p := problem("", "nobody listens on port %d/%s", o.Port, o.Protocol)
		p.Advice = fmt.Sprintf("Start the server, and have it listen on all addresses or on %s.", at)
		return p
	}
	var who, lans []string
	for _, l := range inlets {
		lans = append(lans, l.Name)
	}
	lan := strings.Join(lans, " or ")
	for _, l := range near {
		text := listenerText(l)
		if !hears(l, inlets) {
			text += ", and there for what comes in by " + l.Link + ", not by " + lan
		}
		who = append(who, text)
	}
	p := problem("", "nobody listens on %s/%s: %s", at, o.Protocol, strings.Join(who, ", "))
	p.Advice = listenAdvice(near[0].Process, o)
	if bound := near[0]; !hears(bound, inlets) {
		p.Advice = fmt.Sprintf("Have it bind to no interface, or to %s instead of %s (SO_BINDTODEVICE: bind … interface %s in haproxy, "+
			"BindToDevice=%s in a systemd socket).", lan, bound.Link, bound.Link, bound.Link)
	}
	return p
}

func listenerText(l host.Listener) string {
	name := l.Process
	if name == "" {
		name = "somebody"
	}
	text := name + " listens on " + netip.AddrPortFrom(l.Addr, l.Port).String() + " alone"
	if l.Addr == netip.IPv6Unspecified() {
		text = name + " listens on all addresses of IPv6 alone"
	}
	if l.Addr == netip.IPv4Unspecified() {
		text = name + " listens on all addresses of IPv4 alone"
	}
	return text
}

// listenAdvice is the line of the server's configuration.
func listenAdvice(process string, o host.Opening) string {
	name, _, _ := strings.Cut(process, "[")
	all := netip.AddrPortFrom(netip.IPv4Unspecified(), o.Port)
	if o.VIP.Is6() {
		all = netip.AddrPortFrom(netip.IPv6Unspecified(), o.Port)
	}
	line := map[string]string{
		"nginx": fmt.Sprintf("listen %s;", all), "apache2": fmt.Sprintf("Listen %d", o.Port), "httpd": fmt.Sprintf("Listen %d", o.Port),
		"haproxy": fmt.Sprintf("bind %s", all), "lighttpd": fmt.Sprintf("server.port = %d, without server.bind", o.Port),
	}[name]
	if line == "" {
		return fmt.Sprintf("Have it listen on all addresses (%s), or on the VIP too.", all)
	}
	return fmt.Sprintf("In the configuration of %s: %s", name, line)
}
