package lvsdr

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A Role is what a host is to be, as the ordered list of its steps. The order is
// safety: a real server silences ARP before it carries the VIP, a director takes
// the VIP last and gives it up first. Importers add steps of their own by
// appending to Steps.
type Role struct {
	Name   string // "director", "realserver" or "client"
	Steps  []step.Step
	Checks []*doctor.Check // the doctor's, in the order of its report

	config cluster.Config
}

// Director is the role of the host with the VIP on the LAN, which forwards. It fails
// with a [*cluster.ConfigError] when c is not valid for one.
func Director(c cluster.Config) (Role, error) {
	if err := c.Validate(cluster.DirectorRole); err != nil {
		return Role{}, err
	}
	return director(c), nil
}

func director(c cluster.Config) Role {
	return Role{Name: cluster.DirectorRole, Steps: []step.Step{
		step.LoopbackUp(cluster.DirectorRole),
		step.DirectorModules(c),
		step.DirectorSysctls(c),
		step.DirectorTimeouts(c),
		step.DirectorSync(c),     // what other directors have is known before any of it comes
		step.DirectorServices(c), // before the ports: what is replaced drains while its port is open
		step.DirectorPorts(c),
		step.DirectorVIPs(c),
	}, Checks: doctor.Checks(cluster.DirectorRole), config: c}
}

// RealServer is the role of a host that answers the VIP's clients itself.
// It fails with a [*cluster.ConfigError] when c is not valid for one.
func RealServer(c cluster.Config) (Role, error) {
	if err := c.Validate(cluster.RealServerRole); err != nil {
		return Role{}, err
	}
	return realServer(c), nil
}

func realServer(c cluster.Config) Role {
	return Role{Name: cluster.RealServerRole, Steps: []step.Step{
		step.LoopbackUp(cluster.RealServerRole),
		step.RealServerSysctls(c),
		step.RealServerPorts(c),
		step.RealServerBlackholes(c),
		step.RealServerVIPs(c),
	}, Checks: doctor.Checks(cluster.RealServerRole), config: c}
}

// Client is the role of any other host, for [Role.Doctor] alone. It fails with a
// [*cluster.ConfigError] when c is invalid; real servers may be unknown.
func Client(c cluster.Config) (Role, error) {
	if err := c.Validate(cluster.RealServerRole); err != nil {
		return Role{}, err
	}
	return Role{Name: cluster.ClientRole, Checks: doctor.Checks(cluster.ClientRole), config: c}, nil
}

// Plan returns the changes due to bring the host to the role ([step.Present]) or out of
// it ([step.Absent]), in their order, [step.Change.Late] ones last. It changes nothing.
func (r Role) Plan(ctx context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	parts, err := r.plan(ctx, h, want)
	if err != nil {
		return nil, err
	}
	var all []step.Change
	for _, p := range parts {
		all = append(all, p.changes...)
	}
	return all, nil
}

// Up brings the host to the role: it asks [Role.Preflight] and, when nothing stops it,
// does as [Role.Apply], with no other lvsdr in between.
func (r Role) Up(ctx context.Context, h *host.Host) ([]step.Change, error) {
	ctx = filter.Once(ctx) // for the preflight and the plans
	h, unlock, err := h.Lock(ctx, host.Waiting{})
	if err != nil {
		return nil, fmt.Errorf("lvsdr: %w", err)
	}
	defer unlock()
	if _, err := r.Preflight(ctx, h); err != nil {
		return nil, err
	}
	return r.apply(ctx, h, step.Present)
}

// Down gives back everything that was done for the role, in the reverse order, and
// leaves everything else. It is [Role.Apply] with [step.Absent].
func (r Role) Down(ctx context.Context, h *host.Host) ([]step.Change, error) {
	return r.Apply(ctx, h, step.Absent)
}

// Apply makes exactly the changes that [Role.Plan] tells, without a preflight, as the
// only lvsdr on the host (see [host.Host.Lock]). It plans every step before it touches
// anything, and looks again after each step. It returns the changes it made, also on
// error. Interrupted and run again, it converges.
func (r Role) Apply(ctx context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	h, unlock, err := h.Lock(ctx, host.Waiting{})
	if err != nil {
		return nil, fmt.Errorf("lvsdr: %w", err)
	}
	defer unlock()
	return r.apply(ctx, h, want)
}

type stepPlan struct {
	step    step.Step
	changes []step.Change
	late    bool
}

func (r Role) plan(ctx context.Context, h *host.Host, want step.State) ([]stepPlan, error) {
	ctx = filter.Once(ctx) // each packet filter looks at all rules
	if err := claim(h, r.Name, want); err != nil {
		return nil, err
	}
	steps := slices.Clone(r.Steps)
	if want == step.Absent {
		slices.Reverse(steps)
	}
	parts := make([]stepPlan, 0, 2*len(steps))
	var last []stepPlan
	for _, s := range steps {
		if h.Image && step.Live(s) {
			continue
		}
		changes, err := s.Plan(ctx, h, want)
		if err != nil {
			return nil, &step.StepError{Step: s.Name(), Err: err}
		}
		now, late := split(changes)
		parts = append(parts, stepPlan{step: s, changes: now})
		if len(late) > 0 {
			last = append(last, stepPlan{step: s, changes: late, late: true})
		}
	}
	slices.Reverse(last) // what goes, goes as in Down
	return append(parts, last...), nil
}

// split separates what is made at once from what waits until all else is there.
func split(changes []step.Change) (now, late []step.Change) {
	if !slices.ContainsFunc(changes, isLate) {
		return changes, nil
	}
	for _, c := range changes {
		if c.Late {
			late = append(late, c)
		} else {
			now = append(now, c)
		}
	}
	return now, late
}

func isLate(c step.Change) bool { return c.Late }

func (r Role) apply(ctx context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	ctx = filter.Once(ctx) // for the plan before and that after each step
	parts, err := r.plan(ctx, h, want)
	if err != nil {
		return nil, err
	}
	l := step.LedgerOf(h, r.Name)
	if err := l.Forget(); err != nil { // what a killed writer has left goes
		return nil, fmt.Errorf("lvsdr: %w", err)
	}
	due := slices.ContainsFunc(parts, func(p stepPlan) bool { return len(p.changes) > 0 })
	if want == step.Present && due && !h.Image { // nothing of an image runs
		lasting, err := step.Lasting(h, r.Name)
		if err == nil {
			err = l.Open(lasting || !h.Runtime)
		}
		if err != nil {
			return nil, fmt.Errorf("lvsdr: %w", err)
		}
	}
	n := 0
	for _, p := range parts {
		n += len(p.changes)
	}
	var made []step.Change
	if n > 0 {
		made = make([]step.Change, 0, n)
	}
	drained := false
	for i, p := range parts {
		if p.late && !drained {
			drained = true
			if by, err := drain(ctx, h, parts[i:]); err != nil {
				return append(made, by...), err
			}
		}
		done, err := p.apply(ctx, h, want)
		made = append(made, p.changes[:done]...)
		if err != nil {
			return append(made, madeBy(err)...), err
		}
		if want == step.Absent {
			if err := l.ForgetStep(p.step.Name()); err != nil {
				return made, &step.StepError{Step: p.step.Name(), Err: err}
			}
		}
	}
	if want == step.Absent {
		if err := l.Close(); err != nil {
			return made, fmt.Errorf("lvsdr: %w", err)
		}
	}
	return made, nil
}

// drain lets end what the late changes of the steps would break. It returns what it
// changed for it when it is broken off.
func drain(ctx context.Context, h *host.Host, late []stepPlan) ([]step.Change, error) {
	for _, p := range late {
		if d, ok := p.step.(step.Drainer); ok {
			if err := d.Drain(ctx, h, p.changes); err != nil {
				return madeBy(err), p.fail(0, err)
			}
		}
	}
	return nil, nil
}

// madeBy is what a drain that was broken off has changed.
func madeBy(err error) []step.Change {
	var broken *step.DrainError
	if errors.As(err, &broken) {
		return broken.Made
	}
	return nil
}

// apply makes the step's changes and looks again.
func (p stepPlan) apply(ctx context.Context, h *host.Host, want step.State) (done int, err error) {
	if len(p.changes) == 0 {
		return 0, nil
	}
	if a, ok := p.step.(step.Applier); ok {
		done, err = a.Apply(ctx, h, p.changes)
		return done, p.fail(done, err)
	}
	for i := range p.changes {
		if err := ctx.Err(); err != nil {
			return i, p.fail(i, err)
		}
		if err := p.changes[i].Do(ctx); err != nil {
			return i, p.fail(i, err)
		}
	}
	left, err := p.step.Plan(ctx, h, want)
	if err != nil {
		return len(p.changes), &step.StepError{Step: p.step.Name(), Err: err}
	}
	if !p.late {
		left, _ = split(left)
	}
	if len(left) > 0 {
		return len(p.changes), &step.StepError{Step: p.step.Name(), Change: &left[0], Err: step.ErrNoEffect}
	}
	return len(p.changes), nil
}

// fail wraps err as the failure of the change at index at.
func (p stepPlan) fail(at int, err error) error {
	if err == nil {
		return nil
	}
	if at >= len(p.changes) {
		return &step.StepError{Step: p.step.Name(), Err: err}
	}
	return &step.StepError{Step: p.step.Name(), Change: &p.changes[at], Err: err}
}
