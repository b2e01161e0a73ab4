package doctor

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
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
		var lost []ipvs.Daemon
		for _, d := range live {
			if !slices.ContainsFunc(links, func(l host.Link) bool { return l.Name == d.Interface }) {
				lost = append(lost, d)
			}
		}
		more, err := e.lostInterfaces(lost, wanted)
		if err != nil {
			return nil, err
		}
		return slices.Concat(problems, more, e.twoIDs(live, wanted)), nil
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

// lostInterfaces are the daemons that know their interface by a name that none has. A
// daemon is bound to the interface itself (set_mcast_if and join_mcast_group in
// net/netfilter/ipvs/ip_vs_sync.c): where that has another name now, it goes on, and the
// group that the backup has joined tells where. A master joins none.
func (e *Exam) lostInterfaces(lost, wanted []ipvs.Daemon) (problems []Problem, err error) {
	now := map[string]string{} // the name by the former one
	for _, d := range lost {
		if d.State == ipvs.BackupDaemon {
			if now[d.Interface], err = e.memberOf(d.Group); err != nil {
				return nil, err
			}
		}
	}
	for _, d := range lost {
		name, known := now[d.Interface]
		switch {
		case name != "":
			problems = append(problems, e.renamedInterface(d, name, wanted))
		case known:
			problems = append(problems, e.lostInterface(d, wanted))
		default:
			p := e.lostInterface(d, wanted)
			p.Severity = Warning
			p.What = fmt.Sprintf("the sync daemon %s was started on %s, and no interface is called so: if it was renamed, the daemon goes on there; if it is gone, no other director hears it", d.State, d.Interface)
			problems = append(problems, p)
		}
	}
	return problems, nil
}

// memberOf is the interface on which this host has joined a multicast group; empty where
// there is none. The files are net/ipv4/igmp.c's and net/ipv6/mcast.c's.
func (e *Exam) memberOf(group netip.Addr) (string, error) {
	if group.Is6() {
		text, err := e.Host.Files.ReadFile("/proc/thread-self/net/igmp6")
		if err != nil {
			return "", passAbsent(err)
		}
		b := group.As16()
		for line := range strings.Lines(string(text)) { // number, interface, group, users
			if f := strings.Fields(line); len(f) > 2 && f[2] == hex.EncodeToString(b[:]) {
				return f[1], nil
			}
		}
		return "", nil
	}
	text, err := e.Host.Files.ReadFile("/proc/thread-self/net/igmp")
	if err != nil || !group.Is4() {
		return "", passAbsent(err)
	}
	b := group.As4()
	want, name := fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b[:])), ""
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 1 && line[0] != '\t' { // number, interface; below it, with a tab, its groups
			name = strings.TrimSuffix(f[1], ":")
		} else if len(f) > 0 && f[0] == want {
			return name, nil
		}
	}
	return "", nil
}

func passAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// renamedInterface is a daemon that goes on, and would not start again.
func (e *Exam) renamedInterface(d ipvs.Daemon, name string, wanted []ipvs.Daemon) Problem {
	p := warning("", "the sync daemon %s was started on %s, which is called %s now: it goes on there, and will not come up as %s again", d.State, d.Interface, name, d.Interface)
	p.Advice = fmt.Sprintf("name %s where it is started at boot", name)
	if len(wanted) > 0 {
		p.Advice = fmt.Sprintf("name %s in the description (sync: {interface: %s}), then %s", name, name, e.SetUpCommand())
	}
	return p
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
