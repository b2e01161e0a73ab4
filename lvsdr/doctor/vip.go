package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var vipHeld = &Check{
	Code:  "vip",
	Title: "this host takes the VIP's packets for its own",
	Why:   "What the director, or a client, sends to the VIP is not served here.",
	Step:  step.VIP,
	Needs: []*Check{linkUsable, ipv6Disabled},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		var problems []Problem
		for _, vip := range e.Config.VIPs() {
			found, err := e.missing(ctx, vip)
			problems = append(problems, found...)
			if err != nil {
				return problems, err
			}
		}
		return problems, nil
	},
}

// missing tells that the host does not take the VIP's packets, where it should.
func (e *Exam) missing(ctx context.Context, vip netip.Addr) ([]Problem, error) {
	if taken, err := e.Takes(ctx, vip); taken || err != nil {
		return nil, err
	}
	at, err := e.AddressesOf(ctx, vip)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(at, func(a host.Address) bool { return a.DADFailed || a.Tentative }) {
		return nil, nil // vip-dad's, or vip-link's
	}
	if len(at) > 0 {
		p := problem("", "the VIP %s is there, but a routing rule sends its packets elsewhere", at[0])
		p.Advice = "\"ip rule\" shows it: table local is to be asked first"
		return []Problem{p}, nil
	}
	if e.Role == cluster.DirectorRole {
		return e.missingOnDirector(ctx, vip)
	}
	open, err := e.notRedirected(ctx, vip)
	if len(open) == 0 || err != nil {
		return nil, err
	}
	fix, err := e.bringVIP(ctx, vip, "lo")
	if err != nil {
		return nil, err
	}
	returned, err := e.returns(ctx, vip)
	p := problem(fix, "the VIP %s is no address of this host, nor are its packets to %s redirected", vip, host.JoinOpenings(open))
	if returned {
		p.What += "; they are routed back to the LAN and go round between here and the director until their TTL ends"
	}
	return []Problem{p}, err
}

// missingOnDirector leaves the VIP to a program that moves it between directors.
func (e *Exam) missingOnDirector(ctx context.Context, vip netip.Addr) ([]Problem, error) {
	m, err := e.moverOf(ctx, vip)
	if err != nil {
		return nil, err
	}
	if m.name != "" && m.holds == "" {
		return skip("%s, which runs here, may have given the VIP %s to another director", m.name, vip), nil
	}
	if e.movesVIPs() && m.name == "" {
		return skip("lvsdr's keepalived, which is to bring the VIP %s, does not run", vip), nil // vrrp tells so
	}
	if m.holds != "" && e.movesVIPs() {
		p := problem("", "the VIP %s is no address of this host, but %s, which is to bring it, holds %s here", vip, m.name, m.holds)
		p.Advice = "somebody has taken it away behind keepalived's back: kill $(cat /run/lvsdr/vrrp.pid), then " + e.SetUpCommand() + "; the other director has the VIPs meanwhile"
		return []Problem{p}, nil
	}
	if m.holds != "" {
		p := problem("", "the VIP %s is no address of this host, but %s, which is to bring it, holds %s here", vip, m.name, m.holds)
		p.Advice = "somebody has taken it away behind keepalived's back, or it was added to a configuration that is not loaded yet: systemctl reload keepalived, and " +
			"where that does not bring it, systemctl restart keepalived"
		return []Problem{p}, nil
	}
	lan, err := e.LAN(ctx, vip)
	if err != nil {
		return nil, err
	}
	fix, err := e.bringVIP(ctx, vip, lan.Name)
	p := problem(fix, "the VIP %s is no address of this host", vip)
	if fix != e.SetUpCommand() {
		p.Fix, p.Advice = "", takeOver(fix, vip, lan.Name)
	}
	return []Problem{p}, err
}

// takeOver is how a director comes to the VIP by a command that does not look whether
// another one has it, as set-up does.
func takeOver(command string, vip netip.Addr, link string) string {
	text := "if no other director has it (vip-claim tells who answers for it): " + command
	if vip.Is4() {
		text += fmt.Sprintf("; and tell the LAN, which may know another MAC address for it: arping -U -c 3 -I %s %s", host.ShellWord(link), vip)
	}
	return text
}

// notRedirected are the VIP's openings whose packets no rule gives to this host.
func (e *Exam) notRedirected(ctx context.Context, vip netip.Addr) ([]host.Opening, error) {
	var open []host.Opening
	for _, o := range step.OpeningsOf(e.Config) {
		if o.VIP != vip {
			continue
		}
		redirected, err := e.redirected(ctx, o)
		if err != nil && !errors.Is(err, host.ErrNoView) {
			return nil, err
		}
		if !redirected {
			open = append(open, o)
		}
	}
	return open, nil
}

// returns tells whether a packet for the VIP, which is not here, is forwarded.
func (e *Exam) returns(ctx context.Context, vip netip.Addr) (bool, error) {
	forwards, err := e.forwards(vip)
	if !forwards || err != nil {
		return false, err
	}
	_, err = e.Route(ctx, vip)
	if errors.Is(err, fs.ErrNotExist) { // no route, or a blackhole
		return false, nil
	}
	return err == nil, err
}

// bringVIP is the command that brings a missing VIP to a link: on a host that lvsdr
// set up its set-up, where more than the address is due.
func (e *Exam) bringVIP(ctx context.Context, vip netip.Addr, link string) (string, error) {
	if e.Role == cluster.DirectorRole {
		if ours, err := e.WasSetUp(); ours || err != nil {
			return e.SetUpCommand(), err
		}
		return addVIP(vip, link, cluster.DirectorRole), nil
	}
	quiet, err := e.silence(ctx, vip)
	return commands(quiet, addVIP(vip, link, cluster.RealServerRole)), err
}

// addVIP is the command that puts a VIP on a link as set-up does.
func addVIP(vip netip.Addr, link, role string) string {
	command := "ip addr add " + host.HostPrefix(vip).String() + " dev " + host.ShellWord(link)
	if vip.Is4() {
		command += labelled(link)
	}
	switch {
	case vip.Is4() && link == "lo": // no interface without an address is to speak from it
		command += " scope host"
	case vip.Is6() && role == cluster.DirectorRole:
		command += " nodad preferred_lft 0"
	}
	return command
}

// labelled is the label that a VIP has on a link, as words for a command.
func labelled(link string) string {
	if label := step.VIPLabel(link); label != link {
		return " label " + host.ShellWord(label)
	}
	return ""
}

// removeAddress is the command that takes an address away and no other: a primary
// one would take its secondaries along (see vip_secondary.go).
func (e *Exam) removeAddress(ctx context.Context, a host.Address) (string, error) {
	all, err := e.Addresses(ctx)
	command := "ip addr del " + a.Prefix.String() + " dev " + host.ShellWord(a.Link)
	if a.TakesAlong(all) && !e.promotes("all") && !e.promotes(a.Link) {
		command = commands(sysctlCommand("1", host.PromoteSecondaries(a.Link)), command)
	}
	return command, err
}

func (e *Exam) promotes(link string) bool {
	value, err := e.Host.Sysctl.Get(host.PromoteSecondaries(link))
	return err == nil && strings.TrimSpace(value) == "1"
}

// places names the interfaces of addresses.
func places(at []host.Address) string {
	var links []string
	for _, a := range at {
		if !slices.Contains(links, a.Link) {
			links = append(links, a.Link)
		}
	}
	return strings.Join(links, ", ")
}
