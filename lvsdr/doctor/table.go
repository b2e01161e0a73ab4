package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var serviceThere = &Check{
	Code:  "service",
	Title: "the IPVS table has a virtual service for each VIP and port",
	Why:   "Without one the director answers the client itself: connection refused, at once.",
	Step:  step.Service,
	Needs: []*Check{ipvsThere, ipvsScheduler, keepalivedTable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("set-up makes them"), nil
		}
		all, err := e.served(ctx)
		if err != nil {
			return nil, err
		}
		var missing []Problem
		for _, s := range all {
			if s.live == nil {
				missing = append(missing, problem(e.SetUpCommand(), "the IPVS table has no service %s", s.want.ID))
			}
		}
		if len(missing) == len(all) && len(all) > 1 {
			return []Problem{problem(e.SetUpCommand(), "the IPVS table has none of the %d virtual services", len(all))}, nil
		}
		return missing, nil
	},
}

var noDestination = &Check{
	Code:  "no-destination",
	Title: "every virtual service has a real server that takes connections",
	Why:   "Without one IPVS answers every client with ICMP port unreachable: connection refused, at once.",
	Step:  step.Service,
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.eachOurs(ctx, func(s servedService) []Problem {
			what, limit := refuses(s.live)
			if what == "" {
				return nil
			}
			p := problem("", "%s: %s", s.live.ID, what)
			wants, _ := refuses(&s.want)
			switch {
			case limit && sameThresholds(s.live, s.want):
				p.Advice = "Add real servers, or raise their upperThreshold in the configuration."
			case wants != "":
				p.Advice = "Give a real server a weight in the configuration."
			case e.takenOutAll(ctx, s):
				p.Advice = "keepalived has taken all of them out, because none passes its check (" + e.checkOf(s.want.ID) + "): mend them; " +
					"a sorry server (sorryServer in the configuration) would stand in."
			default:
				p.Fix = e.SetUpCommand()
			}
			return []Problem{p}
		})
	},
}

// refuses tells why a service takes no connection, empty when it does; limit tells
// that it is for the real servers' thresholds.
func refuses(v *ipvs.Entry) (what string, limit bool) {
	if len(v.Destinations) == 0 {
		return "it has no real server", false
	}
	weighty := slices.DeleteFunc(slices.Clone(v.Destinations), func(d ipvs.Destination) bool { return d.Weight <= 0 })
	if len(weighty) == 0 {
		return fmt.Sprintf("its real servers all have weight 0: %s", ends(v.Destinations)), false
	}
	if slices.ContainsFunc(weighty, func(d ipvs.Destination) bool { return !overloaded(d) }) {
		return "", false
	}
	return fmt.Sprintf("its real servers have all reached their upper threshold: %s (%d of %d connections)",
		ends(weighty), weighty[0].Active+weighty[0].Inactive, weighty[0].UpperThreshold), true
}

// overloaded is the kernel's test (ip_vs_bind_dest in ip_vs_conn.c).
func overloaded(d ipvs.Destination) bool {
	return d.UpperThreshold != 0 && uint64(d.Active)+uint64(d.Inactive) >= uint64(d.UpperThreshold)
}

func sameThresholds(v *ipvs.Entry, want ipvs.Entry) bool {
	return !slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool {
		w := destinationOf(&want, d.Addr)
		return w != nil && w.UpperThreshold != d.UpperThreshold
	})
}

var schedulerFallback = &Check{
	Code:  "fallback",
	Title: "a scheduler that ties clients to real servers by hash falls back to another one",
	Why:   "Scheduler sh or mh without its flag -fallback refuses the clients whose real server has weight 0 or too many connections.",
	Needs: []*Check{ipvsThere, noDestination},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.eachOurs(ctx, func(s servedService) []Problem {
			scheduler := s.live.Scheduler
			if !cluster.HashScheduler(scheduler) || s.live.Flags&ipvs.Sched1 != 0 {
				return nil
			}
			away := slices.DeleteFunc(slices.Clone(s.live.Destinations), func(d ipvs.Destination) bool {
				return d.Weight > 0 && !overloaded(d) || scheduler == "mh" && d.Weight <= 0 && !served(d)
			})
			if len(away) == 0 {
				return nil
			}
			with := s.live.Service
			with.Flags |= ipvs.Sched1
			p := problem(ipvs.Command{Op: ipvs.SetService, Service: &with}.Ipvsadm(),
				"%s: scheduler %[2]s without %[2]s-fallback refuses the clients of %[3]s, which takes no connections",
				s.live.ID, scheduler, ends(away))
			p.Advice = "Keep it: schedulerFlags: [" + scheduler + "-fallback] in the configuration; or take the real server out of the service."
			return []Problem{p}
		})
	},
}

// served tells whether a real server has had connections, and so a weight: mh has it in
// its table for ever then, but not one that was added with weight 0.
func served(d ipvs.Destination) bool {
	return d.Stats.Values().Connections > 0 || d.Active > 0 || d.Inactive > 0
}

var quiescentTemplate = &Check{
	Code:  "quiescent-template",
	Title: "a persistent service's real server of weight 0 gets no new connections",
	Why:   "A client that persistence ties to a drained real server keeps coming, and never leaves when it comes often enough.",
	Step:  step.Sysctls,
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		const key = "net/ipv4/vs/expire_quiescent_template"
		value, err := e.Host.Sysctl.Get(key)
		if errors.Is(err, fs.ErrNotExist) || value == "1" {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		flows, err := e.flows(ctx)
		if err != nil {
			return nil, err
		}
		return e.eachOurs(ctx, func(s servedService) []Problem {
			var problems []Problem
			for _, d := range s.live.Destinations {
				t := flows[flowOf(s.live, d)]
				if d.Weight > 0 || t == nil || t.templates == 0 || s.live.Flags&ipvs.Persistent == 0 {
					continue
				}
				problems = append(problems, warning("sysctl -w net.ipv4.vs.expire_quiescent_template=1",
					"%s: %s has weight 0, but persistence still sends it the new connections of %d clients "+
						"(net.ipv4.vs.expire_quiescent_template is %s)", s.live.ID, ends([]ipvs.Destination{d}), t.templates, value))
			}
			return problems
		})
	},
}
