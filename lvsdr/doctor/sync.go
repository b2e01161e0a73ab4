package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var syncDaemons = &Check{
	Code:  "sync-daemon",
	Title: "the directors can tell each other of their connections",
	Why:   "A director that takes over without knowing them answers each packet of theirs with a reset.",
	Step:  step.Sync,
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Host.Sync == nil {
			return nil, host.ErrNoView
		}
		live, err := e.Host.Sync.Daemons(ctx)
		if err != nil {
			return nil, err
		}
		wanted, err := e.daemonsWanted()
		if err != nil {
			return nil, err
		}
		if len(live)+len(wanted) == 0 {
			return skip("there are no sync daemons, and none are described"), nil
		}
		links, err := e.Links(ctx)
		if err != nil {
			return nil, err
		}
		problems := e.notRunning(live, wanted)
		for _, d := range live {
			if !slices.ContainsFunc(links, func(l host.Link) bool { return l.Name == d.Interface }) {
				problems = append(problems, e.lostInterface(d, wanted))
			}
		}
		return append(problems, e.twoIDs(live, wanted)...), nil
	},
}

// daemonsWanted are those that this host is to have: none where set-up has not been.
func (e *Exam) daemonsWanted() ([]ipvs.Daemon, error) {
	here, err := e.WasSetUp()
	if err != nil || !here || e.Stage == BeforeSetUp {
		return nil, err
	}
	return e.Config.SyncDaemons(), nil
}

// notRunning are those that are described and do not run.
func (e *Exam) notRunning(live, wanted []ipvs.Daemon) []Problem {
	var missing []string
	for _, w := range wanted {
		if !slices.ContainsFunc(live, func(d ipvs.Daemon) bool { return d.State == w.State }) {
			missing = append(missing, w.State.String())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	without := map[string]string{
		"master": "the other directors do not learn of this one's connections",
		"backup": "this one does not learn of the other directors' connections",
	}
	var means []string
	for _, m := range missing {
		means = append(means, without[m])
	}
	return []Problem{problem(e.SetUpCommand(), "no sync daemon runs as %s: %s", strings.Join(missing, ", none as "), strings.Join(means, ", and "))}
}

// lostInterface is a daemon whose interface is gone: it keeps the socket that it has, and
// the name. One of the same name that comes later is another one to it.
func (e *Exam) lostInterface(d ipvs.Daemon, wanted []ipvs.Daemon) Problem {
	p := problem("", "the sync daemon %s is on %s, and there is no such interface: no other director hears it, nor does it hear them", d.State, d.Interface)
	again := fmt.Sprintf("ipvsadm --stop-daemon %s, and then start it on the interface that the other directors are on", d.State)
	if len(wanted) > 0 {
		again = fmt.Sprintf("bring the interface back or name another one (sync: {interface: …}); then ipvsadm --stop-daemon %s, and %s", d.State, e.SetUpCommand())
	}
	p.Advice = again
	return p
}

// twoIDs is a master and a backup that do not speak of the same.
func (e *Exam) twoIDs(live, wanted []ipvs.Daemon) []Problem {
	if len(live) != 2 || live[0].ID == live[1].ID || live[1].ID == 0 && live[1].State == ipvs.BackupDaemon {
		return nil
	}
	p := warning("", "the sync daemons have different ids: the %s has %d, the %s %d", live[0].State, live[0].ID, live[1].State, live[1].ID)
	if len(wanted) > 0 {
		p.Fix = e.SetUpCommand()
		return []Problem{p}
	}
	again := live[1]
	again.ID = live[0].ID
	p.Advice = "that is right only where the other director's are the other way round, or it will not hear what this one tells; if they are not: " +
		fmt.Sprintf("ipvsadm --stop-daemon %s && %s", again.State, again.Ipvsadm())
	return []Problem{p}
}
