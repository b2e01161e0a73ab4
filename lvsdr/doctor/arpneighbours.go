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

var arpNeighbours = &Check{
	Code:  "arp-neighbours",
	Title: "set-up silences ARP for no address that neighbours of this host use",
	Why: "With arp_ignore=1 an interface answers ARP for its own addresses only: " +
		"for one on another interface, such as a gateway of containers, neighbours get no answer any more.",
	Step:      step.Sysctls,
	Preflight: true,
	Foresees:  true,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage != BeforeSetUp {
			return skip("it is told before set-up, what is silent now may be so on purpose"), nil
		}
		return e.willBeSilent(ctx)
	},
}

// willBeSilent tells, for each interface that answers now for addresses of others and
// will not any more, which of them somebody there is likely to ask for.
func (e *Exam) willBeSilent(ctx context.Context) ([]Problem, error) {
	links, err := e.silenced(ctx)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	routed, err := e.routedLinks()
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, v := range links {
		p, err := e.silentOn(ctx, v, routed[v.link])
		problems = append(problems, p...)
		if err != nil {
			return problems, err
		}
	}
	return problems, nil
}

// silenced are the interfaces whose arp_ignore set-up changes from one that answers
// for the addresses of other interfaces.
func (e *Exam) silenced(ctx context.Context) ([]effective, error) {
	wanted := step.SysctlsOf(e.Role, e.Config)
	sets := func(link string) bool {
		return slices.ContainsFunc(wanted, func(s step.Sysctl) bool {
			return s.Key == "net/ipv4/conf/"+link+"/arp_ignore" && s.Value == "1"
		})
	}
	links, err := e.answering(ctx)
	if err != nil {
		return nil, err
	}
	var all []effective
	for _, l := range links {
		v, err := e.effective("arp_ignore", l.Name)
		if err != nil {
			return nil, err
		}
		if (sets("all") || sets(l.Name)) && v.answers([]host.Address{{}}) {
			all = append(all, v)
		}
	}
	return all, nil
}

// silentOn judges one interface. Where it has a subnet, hosts there ask for what is in
// it; where it has no address, those to whom a route leads (containers, mostly) have
// nothing but addresses of other interfaces to ask for.
func (e *Exam) silentOn(ctx context.Context, v effective, routed bool) ([]Problem, error) {
	others, own, err := e.elsewhere(ctx, v)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	if own == 0 {
		proxy, err := e.effective("proxy_arp", v.link)
		if !routed || err != nil || proxy.value != "0" { // then they ask for what is no address of this host
			return nil, err
		}
		p := warning("", "%s has no IPv4 address of its own, and routes lead there: set-up has it answer ARP for none of this host's addresses any more (%s)",
			v.link, firstFew(others))
		p.Advice = fmt.Sprintf("give %s the address that hosts behind it have as their gateway, too: ip addr add ADDRESS/32 dev %s",
			v.link, host.ShellWord(v.link)) + e.orSilentOnLAN(ctx, v)
		return []Problem{p}, nil
	}
	fix := ""
	for _, a := range others {
		ip, _, _ := strings.Cut(a, " ")
		fix = commands(fix, fmt.Sprintf("ip addr add %s/32 dev %s", ip, host.ShellWord(v.link)))
	}
	p := warning(fix, "set-up has %s answer ARP no more for %s, in its subnet but on another interface", v.link, firstFew(others))
	p.Advice = "it is not kept over a reboot: add the address to the interface where its others are configured" + e.orSilentOnLAN(ctx, v)
	return []Problem{p}, nil
}

// orSilentOnLAN offers a set-up that is silent on the VIPs' LANs alone, where the
// interface is none of them.
func (e *Exam) orSilentOnLAN(ctx context.Context, v effective) string {
	flags := ""
	for _, vip := range e.Config.VIPs() {
		fronts, err := e.fronts(ctx, vip)
		if err != nil || slices.ContainsFunc(fronts, func(f front) bool { return f.link.Name == v.link }) {
			return ""
		}
		for _, f := range fronts {
			if flag := " --arp-interface " + host.ShellWord(f.link.Name); !strings.Contains(flags+" ", flag+" ") {
				flags += flag
			}
		}
	}
	if e.Role != cluster.RealServerRole || flags == "" {
		return ""
	}
	return "; or leave it as it is, and be silent on the VIP's LAN alone: set up with" + flags
}

// elsewhere are this host's IPv4 addresses that are on another interface and may be
// asked for on this one ("10.0.3.1 on lo"), and how many addresses it has itself. In
// a subnet, an interface that has its address there answers for it itself.
func (e *Exam) elsewhere(ctx context.Context, v effective) (others []string, own int, err error) {
	addresses, err := e.Addresses(ctx)
	if err != nil {
		return nil, 0, err
	}
	answering, err := e.answering(ctx)
	if err != nil {
		return nil, 0, err
	}
	var mine []netip.Prefix
	for _, a := range addresses {
		if a.Link == v.link && a.Prefix.Addr().Is4() && !e.isVIP(a.Prefix.Addr()) {
			mine = append(mine, a.Prefix)
		}
	}
	told := map[netip.Addr]bool{}
	for _, p := range mine {
		told[p.Addr()] = true
	}
	for _, a := range addresses {
		ip := a.Prefix.Addr()
		if !ip.Is4() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || e.isVIP(ip) || told[ip] || !v.answers([]host.Address{a}) {
			continue
		}
		answersItself := !a.Prefix.IsSingleIP() && slices.ContainsFunc(answering, func(l host.Link) bool { return l.Name == a.Link })
		inSubnet := slices.ContainsFunc(mine, func(p netip.Prefix) bool { return p.Contains(ip) })
		if len(mine) == 0 || inSubnet && !answersItself {
			told[ip] = true
			others = append(others, fmt.Sprintf("%s on %s", ip, a.Link))
		}
	}
	return others, len(mine), nil
}

// routedLinks are the interfaces that IPv4 routes lead to, by the kernel's list of
// the main table (/proc/net/route, Documentation/filesystems/proc.rst).
func (e *Exam) routedLinks() (map[string]bool, error) {
	text, err := e.Host.Files.ReadFile("/proc/thread-self/net/route")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	routed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 0 {
			routed[words[0]] = true
		}
	}
	return routed, err
}
