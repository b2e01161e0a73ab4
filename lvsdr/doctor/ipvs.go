package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var ipvsThere = &Check{
	Code:  "ipvs",
	Title: "the kernel has IPVS",
	Why:   "IPVS is the part of the kernel that balances; without it the director answers clients itself.",
	Step:  step.Modules,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		// Not loaded is no fault: the first service loads it, or it is built in.
		err := e.Host.Modules.Find(ctx, ipvs.Module)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		return []Problem{{What: "this kernel has no IPVS to load", Advice: err.Error()}}, nil
	},
}

var ipvsScheduler = &Check{
	Code:      "ipvs-scheduler",
	Preflight: true,
	Title:     "the kernel has the scheduler of every service",
	Why:       "A service is refused when its scheduler's module cannot be loaded.",
	Step:      step.Modules,
	Needs:     []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		var problems []Problem
		for _, name := range e.Config.Schedulers() {
			err := e.Host.Modules.Find(ctx, ipvs.SchedulerModule(name))
			if err == nil {
				continue
			}
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return problems, err
			}
			has, err2 := e.hasSchedulers(ctx)
			if err2 != nil {
				return problems, err2
			}
			p := problem("", "this kernel has no scheduler %q to load", name)
			p.Advice = fmt.Sprintf("%v. It has none at all: install the kernel's modules of IPVS (ip_vs_rr and the like), or boot a kernel that has them.", err)
			if len(has) > 0 {
				p.Advice = fmt.Sprintf("%v. It has %s: choose one of them (scheduler: %s).", err, strings.Join(has, ", "), has[0])
			}
			problems = append(problems, p)
		}
		return problems, nil
	},
}

// hasSchedulers lists the schedulers that can be had.
func (e *Exam) hasSchedulers(ctx context.Context) (names []string, err error) {
	for _, name := range ipvs.Schedulers() {
		err := e.Host.Modules.Find(ctx, ipvs.SchedulerModule(name))
		if err == nil {
			names = append(names, name)
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
	}
	return names, nil
}

// A hurtfulSysctl is a value of net.ipv4.vs that hurts direct routing.
type hurtfulSysctl struct {
	key    string
	bad    []string
	good   string
	what   string
	advice string
}

// Only what was seen to hurt is here; what is merely unusual is not.
var hurtfulSysctls = []hurtfulSysctl{{
	key: "conntrack", bad: []string{"1"}, good: "0",
	what: "IPVS keeps its connections in connection tracking, which under direct routing sees one direction only: " +
		"an unreplied entry for each, and packets that count as invalid",
	advice: "Leave it when services forwarded by masquerading need it on this host.",
}, {
	key: "run_estimation", bad: []string{"0"}, good: "1",
	what: "IPVS does not count: connections, packets and rates stay as they are, and what watches them sees no traffic",
}, {
	key: "drop_entry", bad: []string{"3"}, good: "0",
	what: "IPVS always drops random connections from its table, as if memory were short",
}, {
	key: "drop_packet", bad: []string{"3"}, good: "0",
	what: "IPVS always drops a share of the new connections, as if memory were short",
}}

// masquerades tells whether any service of the table, whoever made it, is forwarded so.
func (e *Exam) masquerades(ctx context.Context) (bool, error) {
	table, err := e.Table(ctx)
	return slices.ContainsFunc(table, func(v ipvs.Entry) bool {
		return slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool { return d.Forwarding == ipvs.Masquerade })
	}), err
}

var ipvsSysctl = &Check{
	Code:  "ipvs-sysctl",
	Title: "no kernel parameter of IPVS hurts direct routing",
	Why:   "What suits masquerading or a flood of connections takes clients of direct routing down.",
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		var problems []Problem
		for _, s := range hurtfulSysctls {
			value, err := e.Host.Sysctl.Get("net/ipv4/vs/" + s.key)
			if errors.Is(err, fs.ErrNotExist) {
				continue // not loaded yet, or an older kernel
			}
			if err != nil {
				return problems, err
			}
			if slices.Contains(s.bad, value) {
				p := warning("sysctl -w net.ipv4.vs."+s.key+"="+s.good, "net.ipv4.vs.%s is %s: %s", s.key, value, s.what)
				if p.Advice = s.advice; s.key == "conntrack" {
					masquerades, err := e.masquerades(ctx)
					if err != nil {
						return problems, err
					}
					if masquerades {
						p.Fix, p.Advice = "", "Services of this table are forwarded by masquerading, which may need it: leave it while they are here."
					}
				}
				problems = append(problems, p)
			}
		}
		return problems, nil
	},
}
