package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Sync is the name of the step that has the directors tell each other of their
// connections.
const Sync = "sync"

// ErrForeignDaemon: somebody else's synchronisation daemon runs, and a network namespace
// has one of each state.
var ErrForeignDaemon = errors.New("lvsdr has not started it")

// syncDaemons runs the kernel's connection synchronisation daemons. Those that it has
// started are in the ledger; one of somebody else's is left alone, whatever it does.
type syncDaemons struct{ want []ipvs.Daemon }

// DirectorSync is the step that runs the kernel's two connection synchronisation daemons
// where the configuration asks for them: one tells the other directors of this one's
// connections, the other one keeps what they tell. A director that takes over then knows
// the connections that are there.
func DirectorSync(c cluster.Config) Step { return syncDaemons{c.SyncDaemons()} }

func (syncDaemons) Name() string { return Sync }

func (s syncDaemons) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	if h.Sync == nil {
		if len(s.want) > 0 && want == Present {
			return nil, host.ErrNoView
		}
		return nil, nil
	}
	ours, err := LedgerOf(h, cluster.DirectorRole).ReadStep(Sync)
	if err != nil {
		return nil, err
	}
	if len(s.want) == 0 && len(ours) == 0 {
		return nil, nil
	}
	live, err := h.Sync.Daemons(ctx)
	if err != nil {
		return nil, err
	}
	lost := want == Absent && lostLedger(h, cluster.DirectorRole)
	var changes []Change
	for _, state := range []ipvs.DaemonState{ipvs.MasterDaemon, ipvs.BackupDaemon} {
		now, wanted := daemonOf(live, state), daemonOf(s.want, state)
		_, known := ours[state.String()]
		known = known || lost && now != nil && wanted != nil && sameDaemon(*now, *wanted)
		if want == Absent {
			wanted = nil
		}
		c, err := s.due(h, state, now, wanted, known)
		if err != nil {
			return nil, err
		}
		if c != nil {
			c.Late = want == Present && c.Op == Remove
			changes = append(changes, *c)
		}
	}
	if slices.ContainsFunc(changes, func(c Change) bool { return c.Op == Add || c.Op == Set }) {
		return changes, s.linksThere(ctx, h)
	}
	return changes, nil
}

// linksThere fails where a daemon is to be started on an interface that the host has not
// got. One that runs goes on where its interface has another name now.
func (s syncDaemons) linksThere(ctx context.Context, h *host.Host) error {
	links, err := h.Links.Links(ctx)
	if err != nil {
		return err
	}
	for _, d := range s.want {
		if !slices.ContainsFunc(links, func(l host.Link) bool { return l.Name == d.Interface }) {
			return fmt.Errorf("sync.interface: %w", noInterface{d.Interface, linkNames(links)})
		}
	}
	return nil
}

// due is what makes the daemon that runs the one that is wanted; nil stands for none.
func (s syncDaemons) due(h *host.Host, state ipvs.DaemonState, now, wanted *ipvs.Daemon, ours bool) (*Change, error) {
	switch {
	case now == nil && wanted == nil && !ours:
		return nil, nil
	case now == nil && wanted == nil: // it was ended by somebody, or never came up
		return &Change{Step: Sync, Op: Remove, Object: "record of sync daemon " + state.String(),
			Do: func(context.Context) error { return LedgerOf(h, cluster.DirectorRole).Forget(syncKey(state)) }}, nil
	case wanted == nil && !ours:
		return nil, nil
	case wanted == nil:
		return &Change{Step: Sync, Op: Remove, Object: "sync daemon " + now.State.String(), From: describeDaemon(*now),
			Do: func(ctx context.Context) error { return endDaemon(ctx, h, now.State) }}, nil
	case now == nil:
		return &Change{Step: Sync, Op: Add, Object: "sync daemon " + wanted.State.String(), To: describeDaemon(*wanted),
			Do: func(ctx context.Context) error { return startDaemon(ctx, h, *wanted) }}, nil
	case sameDaemon(*now, *wanted):
		return nil, nil
	case !ours:
		return nil, fmt.Errorf("a sync daemon runs otherwise than is wanted, as %s: %s: %w: end it (ipvsadm --stop-daemon %s), or describe it so",
			now.State, describeDaemon(*now), ErrForeignDaemon, now.State)
	}
	return &Change{Step: Sync, Op: Set, Object: "sync daemon " + wanted.State.String(), From: describeDaemon(*now), To: describeDaemon(*wanted),
		Do: func(ctx context.Context) error {
			if err := stopDaemon(ctx, h, wanted.State); err != nil {
				return err
			}
			return startDaemon(ctx, h, *wanted)
		}}, nil
}

// startDaemon writes down that it is lvsdr's before it is there. One that is there
// already as it is wanted is done.
func startDaemon(ctx context.Context, h *host.Host, d ipvs.Daemon) error {
	live, err := h.Sync.Daemons(ctx)
	if err != nil {
		return err
	}
	if now := daemonOf(live, d.State); now != nil && sameDaemon(*now, d) {
		return nil
	}
	if err := LedgerOf(h, cluster.DirectorRole).Remember(map[string]string{syncKey(d.State): ""}); err != nil {
		return err
	}
	return h.Sync.StartDaemon(ctx, d)
}

func endDaemon(ctx context.Context, h *host.Host, state ipvs.DaemonState) error {
	if err := stopDaemon(ctx, h, state); err != nil {
		return err
	}
	return LedgerOf(h, cluster.DirectorRole).Forget(syncKey(state))
}

func stopDaemon(ctx context.Context, h *host.Host, state ipvs.DaemonState) error {
	if err := h.Sync.StopDaemon(ctx, state); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncKey is the ledger's key of a daemon that lvsdr has started.
func syncKey(state ipvs.DaemonState) string { return Sync + " " + state.String() }

func daemonOf(all []ipvs.Daemon, state ipvs.DaemonState) *ipvs.Daemon {
	if i := slices.IndexFunc(all, func(d ipvs.Daemon) bool { return d.State == state }); i >= 0 {
		return &all[i]
	}
	return nil
}

func sameDaemon(a, b ipvs.Daemon) bool {
	return a.Interface == b.Interface && a.ID == b.ID && a.Group == b.Group && a.Port == b.Port
}

func describeDaemon(d ipvs.Daemon) string {
	return fmt.Sprintf("dev %s id %d group %s port %d", d.Interface, d.ID, d.Group, d.Port)
}
