package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
)

var tableOwner = &Check{
	Code:  "table-owner",
	Title: "nobody else owns the IPVS table",
	Why:   "Who takes the table for his own removes what he does not know, at once or at the next boot.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		problems, err := e.kubeOwners(ctx)
		if err != nil {
			return problems, err
		}
		owners, err := e.tableOwners(ctx)
		if err != nil || len(owners) < 2 {
			return problems, err
		}
		last := owners[len(owners)-1]
		p := warning(last.fix, "%s is set up by %s and by %s", e.vipsText(), owners[0].name, last.name)
		p.Advice = last.advice
		return append(problems, p.yours()), nil
	},
}

// kubeOwners tells of Kubernetes proxies in IPVS mode by the interface that each
// makes for its addresses. They remove every service that is not theirs.
func (e *Exam) kubeOwners(ctx context.Context) (problems []Problem, err error) {
	running, err := e.Processes(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range [][2]string{{"kube-ipvs0", "kube-proxy"}, {"kube-dummy-if", "kube-router"}} {
		link, proxy := k[0], k[1]
		_, ok, err := e.Link(ctx, link)
		if err != nil {
			return problems, err
		}
		if !ok {
			continue
		}
		now := "not running now"
		if slices.Contains(running, proxy) {
			now = "running"
		}
		p := warning("", "interface %s is here: %s (%s) in IPVS mode removes services that are not its own", link, proxy, now)
		p.Advice = "Make the director a host outside of Kubernetes' nodes, or have kube-proxy leave the VIP alone " +
			"(ipvs.excludeCIDRs). If the proxy is gone for good: ip link del " + link
		problems = append(problems, p)
	}
	return problems, nil
}

// A tableOwnerFound is somebody who puts the VIP's services into the table.
type tableOwnerFound struct{ name, fix, advice string }

// tableOwners returns who sets up the VIP's services on this host: lvsdr, keepalived,
// and the unit of ipvsadm that restores the table at boot.
func (e *Exam) tableOwners(ctx context.Context) (all []tableOwnerFound, err error) {
	ours, err := e.WasSetUp()
	if err != nil {
		return nil, err
	}
	if ours {
		all = append(all, tableOwnerFound{name: "lvsdr"})
	}
	running, err := e.Processes(ctx)
	if err != nil {
		return nil, err
	}
	owners, err := boot.TableOwners(e.Host.Files, e.Config.VIPs())
	for _, o := range owners {
		switch {
		case o.Name != boot.Keepalived:
			all = append(all, tableOwnerFound{name: fmt.Sprintf("%s (%s)", o.Name, o.File), fix: o.Fix})
		case slices.Contains(running, o.Name):
			all = append(all, tableOwnerFound{name: "keepalived (virtual_server in " + o.File + ")",
				advice: "Take virtual_server out of keepalived's configuration, which may go on to move the VIP, " +
					"or leave the table to keepalived: lvsdr teardown director, and restart keepalived, which puts nothing back by itself."})
		}
	}
	return all, err
}

func (e *Exam) vipsText() string {
	var texts []string
	for _, vip := range e.Config.VIPs() {
		texts = append(texts, vip.String())
	}
	return strings.Join(texts, ", ")
}
