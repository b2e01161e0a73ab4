package lvsdr

import (
	"context"
	"errors"
	"io/fs"
)

var arpIgnore = &Check{
	Code:  "arp-ignore",
	Title: "this host does not answer ARP for the VIP",
	Why:   "A real server that answers ARP for the VIP draws clients past the director, until their ARP entry expires.",
	Step:  "sysctls",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.effectiveARP(ctx, "arp_ignore", "1", func(v string) bool { return v == "1" || v == "2" || v == "8" })
	},
}

// effectiveARP looks at the value that the kernel takes for each interface on
// which ARP questions come in: the larger of conf/all and its own.
func (e *Exam) effectiveARP(ctx context.Context, name, want string, good func(string) bool) ([]Problem, error) {
	links, err := e.links(ctx)
	if err != nil {
		return nil, err
	}
	all, err := e.Host.Sysctl.Get("net/ipv4/conf/all/" + name)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, l := range links {
		if l.Loopback || l.NoARP || !l.Up {
			continue
		}
		own, err := e.Host.Sysctl.Get("net/ipv4/conf/" + l.Name + "/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if v := larger(all, own); !good(v) {
			problems = append(problems, problem("sysctl -w net.ipv4.conf.all."+name+"="+want,
				"%s counts as %s on %s (the larger of conf.all's %s and conf.%s's %s), not %s", name, v, l.Name, all, l.Name, own, want))
		}
	}
	return problems, nil
}
