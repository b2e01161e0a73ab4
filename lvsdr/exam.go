package lvsdr

import (
	"context"
	"fmt"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Preflight examines what set-up could not mend, such as a stranger who answers for
// the VIP. It fails with a [*doctor.PreflightError] when the host is not to be set up.
// With [host.Host.Runtime] nothing is put on the wire, and of an image nothing is asked.
func (r Role) Preflight(ctx context.Context, h *host.Host) ([]doctor.Finding, error) {
	if h.Image {
		return nil, nil
	}
	findings, err := r.Exam(h).Preflight(ctx)
	return findings, prefixed(err)
}

// Prove examines, after set-up, this host and what it sees of the others from here.
// It fails with a [*doctor.ProofError] when the cluster does not work.
func (r Role) Prove(ctx context.Context, h *host.Host) ([]doctor.Finding, error) {
	findings, err := r.Exam(h).Prove(ctx)
	return findings, prefixed(err)
}

// Doctor examines the host with the role's checks, in their order. It changes
// nothing; checks on the wire send a few frames.
func (r Role) Doctor(ctx context.Context, h *host.Host) []doctor.Finding {
	return r.Exam(h).Run(ctx)
}

// Exam is Doctor, Preflight and Prove for a caller who chooses the checks.
func (r Role) Exam(h *host.Host) *doctor.Exam {
	return &doctor.Exam{Host: h, Role: r.Name, Config: r.config, Checks: slices.Clone(r.Checks), Steps: slices.Clone(r.Steps)}
}

// Examined is the role of that name for [Role.Doctor] alone, on a configuration as
// [doctor.Found] returns it: one that set-up might refuse.
func Examined(name string, c cluster.Config) (Role, error) {
	if name == cluster.ClientRole {
		return Role{Name: name, Checks: doctor.Checks(cluster.ClientRole), config: c}, nil
	}
	return Former(name, c)
}

// prefixed names this package in an error that leaves it.
func prefixed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lvsdr: %w", err)
}
