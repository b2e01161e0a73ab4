package lvsdr

import (
	"context"
	"fmt"
	"slices"
)

// A Role is what a host is to be, as the ordered list of its steps. The order is
// safety: a real server silences ARP before it carries the VIP, a director takes
// the VIP last and gives it up first. Importers add steps of their own by
// appending to Steps.
type Role struct {
	Name   string // "director", "realserver" or "client"
	Steps  []Step
	Checks []*Check // the doctor's, in the order of its report

	config Config
}

// The names of the roles.
const (
	DirectorRole   = "director"
	RealServerRole = "realserver"
	ClientRole     = "client"
)

// Director is the role of the host that carries the VIP on the LAN and forwards.
// It fails with a [*ConfigError] when c is not valid for a director.
func Director(c Config) (Role, error) {
	if err := c.Validate(DirectorRole); err != nil {
		return Role{}, err
	}
	return director(c), nil
}

func director(c Config) Role {
	return Role{Name: DirectorRole, Steps: []Step{
		Loopback(DirectorRole),
		DirectorModules(c),
		DirectorSysctls(c),
		DirectorTimeouts(c),
		DirectorPorts(c),
		DirectorServices(c),
		DirectorVIPs(c),
	}, Checks: directorChecks, config: c}
}

// RealServer is the role of a host that serves the VIP's connections and answers
// clients directly. It fails with a [*ConfigError] when c is not valid.
func RealServer(c Config) (Role, error) {
	if err := c.Validate(RealServerRole); err != nil {
		return Role{}, err
	}
	return realServer(c), nil
}

func realServer(c Config) Role {
	return Role{Name: RealServerRole, Steps: []Step{
		Loopback(RealServerRole),
		RealServerSysctls(c),
		RealServerPorts(c),
		RealServerBlackholes(c),
		RealServerVIPs(c),
	}, Checks: realServerChecks, config: c}
}

// Client is the role of any other host on the LAN, for [Role.Doctor] alone: it has
// no steps. It fails with a [*ConfigError] when c is not valid; real servers need
// not be known.
func Client(c Config) (Role, error) {
	if err := c.Validate(RealServerRole); err != nil {
		return Role{}, err
	}
	return Role{Name: ClientRole, Checks: clientChecks, config: c}, nil
}

// Plan returns the changes that are due to bring the host to the role ([Present])
// or out of it ([Absent]), in the order in which they would be made. It changes
// nothing.
func (r Role) Plan(ctx context.Context, h *Host, want State) ([]Change, error) {
	parts, err := r.plan(ctx, h, want)
	if err != nil {
		return nil, err
	}
	var all []Change
	for _, p := range parts {
		all = append(all, p.changes...)
	}
	return all, nil
}

// Up brings the host to the role. It plans every step before it touches anything,
// makes exactly the planned changes, and looks again after each step. It returns
// the changes it made, also on error. Interrupted and run again, it converges.
func (r Role) Up(ctx context.Context, h *Host) ([]Change, error) {
	return r.apply(ctx, h, Present)
}

// Down gives back everything Up did, in the reverse order, and leaves everything
// else. It returns the changes it made, also on error.
func (r Role) Down(ctx context.Context, h *Host) ([]Change, error) {
	return r.apply(ctx, h, Absent)
}

type stepPlan struct {
	step    Step
	changes []Change
}

func (r Role) plan(ctx context.Context, h *Host, want State) ([]stepPlan, error) {
	if err := h.claim(r.Name, want); err != nil {
		return nil, err
	}
	steps := slices.Clone(r.Steps)
	if want == Absent {
		slices.Reverse(steps)
	}
	parts := make([]stepPlan, 0, len(steps))
	for _, s := range steps {
		changes, err := s.Plan(ctx, h, want)
		if err != nil {
			return nil, &StepError{Step: s.Name(), Err: err}
		}
		parts = append(parts, stepPlan{s, changes})
	}
	return parts, nil
}

func (r Role) apply(ctx context.Context, h *Host, want State) ([]Change, error) {
	parts, err := r.plan(ctx, h, want)
	if err != nil {
		return nil, err
	}
	l := h.ledger(r.Name)
	due := slices.ContainsFunc(parts, func(p stepPlan) bool { return len(p.changes) > 0 })
	if want == Present && due {
		if err := l.open(); err != nil {
			return nil, fmt.Errorf("lvsdr: %w", err)
		}
	}
	var made []Change
	for _, p := range parts {
		done, err := p.apply(ctx, h, want)
		made = append(made, p.changes[:done]...)
		if err != nil {
			return made, err
		}
		if want == Absent {
			if err := l.forgetStep(p.step.Name()); err != nil {
				return made, &StepError{Step: p.step.Name(), Err: err}
			}
		}
	}
	if want == Absent {
		if err := l.close(); err != nil {
			return made, fmt.Errorf("lvsdr: %w", err)
		}
	}
	return made, nil
}

// apply makes the step's changes and looks again.
func (p stepPlan) apply(ctx context.Context, h *Host, want State) (done int, err error) {
	if len(p.changes) == 0 {
		return 0, nil
	}
	if a, ok := p.step.(Applier); ok {
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
		return len(p.changes), &StepError{Step: p.step.Name(), Err: err}
	}
	if len(left) > 0 {
		return len(p.changes), &StepError{Step: p.step.Name(), Change: &left[0], Err: ErrNoEffect}
	}
	return len(p.changes), nil
}

// fail wraps err as the failure of the change at index at.
func (p stepPlan) fail(at int, err error) error {
	if err == nil {
		return nil
	}
	if at >= len(p.changes) {
		return &StepError{Step: p.step.Name(), Err: err}
	}
	return &StepError{Step: p.step.Name(), Change: &p.changes[at], Err: err}
}
