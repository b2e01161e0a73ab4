package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var ipv6Disabled = &Check{
	Code:  "ipv6-disabled",
	Title: "IPv6 is on where the VIP needs it",
	Why:   "An interface without IPv6 has no IPv6 address and drops what comes in.",
	Step:  step.VIP,
	Needs: []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		var problems []Problem
		var judged []string
		some := false
		for _, vip := range e.Config.VIPs() {
			if vip.Is4() {
				continue
			}
			some = true
			links, err := e.ipv6Links(ctx, vip)
			if err != nil {
				return problems, err
			}
			for _, link := range links {
				if slices.Contains(judged, link) {
					continue
				}
				judged = append(judged, link)
				found, err := e.ipv6Off(link)
				problems = append(problems, found...)
				if err != nil {
					return problems, err
				}
			}
		}
		if !some {
			return skip("there is no IPv6 VIP"), nil
		}
		return problems, nil
	},
}

// ipv6Links are the interfaces that an IPv6 VIP needs: the LAN's and, where a real
// server has not put it elsewhere, loopback.
func (e *Exam) ipv6Links(ctx context.Context, vip netip.Addr) ([]string, error) {
	var names []string
	lan, err := e.LAN(ctx, vip)
	if err == nil {
		names = append(names, lan.Name)
	} else if !errors.Is(err, ErrNoLAN) {
		return nil, err
	}
	taken, err := e.Takes(ctx, vip)
	if e.Role == cluster.RealServerRole && !taken {
		names = append(names, "lo")
	}
	return names, err
}

func (e *Exam) ipv6Off(link string) ([]Problem, error) {
	key := "net/ipv6/conf/" + link + "/disable_ipv6"
	v, err := e.Host.Sysctl.Get(key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p := problem("", "the kernel runs no IPv6 on %s (it has no %s)", link, host.SysctlName(key))
		p.Advice = "IPv6 needs an MTU of 1280, and a kernel that was not booted with ipv6.disable=1"
		return []Problem{p}, nil
	case err != nil || v == "0":
		return nil, err
	}
	fix := sysctlCommand("0", key)
	ours, err := e.WasSetUp()
	if ours {
		fix = commands(fix, e.SetUpCommand())
	}
	p := problem(fix, "%s is %s", host.SysctlName(key), v)
	p.Advice = "IPv6 addresses went with it: those of " + link + " are to be added again"
	return []Problem{p}, err
}
