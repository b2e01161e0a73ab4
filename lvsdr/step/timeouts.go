package step

import (
	"context"
	"fmt"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Timeouts is the name of the step that sets when IPVS forgets connections.
const Timeouts = "timeouts"

// timeouts sets IPVS's connection timeouts, which are one set for the whole
// network namespace, and gives back those that were there before. Neither
// ipvsadm-save nor the kernel keeps them over a reboot.
type timeouts struct{ want cluster.Timeouts }

// DirectorTimeouts is the step that sets IPVS's connection timeouts (ipvsadm
// --set) where the configuration asks for them.
func DirectorTimeouts(c cluster.Config) Step { return timeouts{c.Timeouts} }

func (timeouts) Name() string { return Timeouts }

// timeoutFields are the three timeouts by the name they have in the configuration.
var timeoutFields = []struct {
	name   string
	want   func(cluster.Timeouts) cluster.Duration
	kernel func(*ipvs.Timeouts) *time.Duration
}{
	{"tcp", func(t cluster.Timeouts) cluster.Duration { return t.TCP }, func(t *ipvs.Timeouts) *time.Duration { return &t.TCP }},
	{"tcpFin", func(t cluster.Timeouts) cluster.Duration { return t.TCPFin }, func(t *ipvs.Timeouts) *time.Duration { return &t.TCPFin }},
	{"udp", func(t cluster.Timeouts) cluster.Duration { return t.UDP }, func(t *ipvs.Timeouts) *time.Duration { return &t.UDP }},
}

func (s timeouts) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	l := LedgerOf(h, cluster.DirectorRole)
	before, err := l.ReadStep(Timeouts)
	if err != nil {
		return nil, err
	}
	have, err := h.IPVS.Timeouts(ctx)
	if err != nil {
		return nil, err
	}
	var due []Change
	for _, f := range timeoutFields {
		key := Timeouts + " " + f.name
		old, ours := before[f.name]
		target, live := time.Duration(0), *f.kernel(&have)
		if want == Present {
			target = time.Duration(f.want(s.want))
		}
		restore := target == 0 && ours
		if restore {
			if target, err = time.ParseDuration(old); err != nil {
				return nil, fmt.Errorf("%s: %s: %w: remove the file to go on without it", l.name, key, err)
			}
		}
		switch {
		case target == 0 || target == live && !restore:
			continue
		case live == 0 && restore: // IPVS is gone, and its timeouts with it
			target = 0
		}
		c := Change{Step: s.Name(), Op: Set, Object: "ipvs timeout " + f.name, To: target.String()}
		if live != 0 {
			c.From = live.String()
		}
		c.Do = func(ctx context.Context) error {
			if restore {
				return giveBackTimeout(ctx, h, key, f.kernel, target)
			}
			return setTimeout(ctx, h, key, f.kernel, target)
		}
		due = append(due, c)
	}
	return due, nil
}

type timeoutField = func(*ipvs.Timeouts) *time.Duration

// setTimeout writes down the timeout that is in force now, which may have
// appeared with the module since the plan, and sets the new one.
func setTimeout(ctx context.Context, h *host.Host, key string, field timeoutField, to time.Duration) error {
	now, err := h.IPVS.Timeouts(ctx)
	if err != nil {
		return err
	}
	if live := *field(&now); live != 0 {
		if err := LedgerOf(h, cluster.DirectorRole).Remember(map[string]string{key: live.String()}); err != nil {
			return err
		}
	}
	var t ipvs.Timeouts
	*field(&t) = to
	return h.IPVS.SetTimeouts(ctx, t)
}

func giveBackTimeout(ctx context.Context, h *host.Host, key string, field timeoutField, to time.Duration) error {
	if to != 0 {
		var t ipvs.Timeouts
		*field(&t) = to
		if err := h.IPVS.SetTimeouts(ctx, t); err != nil {
			return err
		}
	}
	return LedgerOf(h, cluster.DirectorRole).Forget(key)
}
