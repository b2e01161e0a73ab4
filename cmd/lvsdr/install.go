package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// keepalivedPackage is what each distribution calls it.
const keepalivedPackage = "keepalived"

// mayInstall refuses --install where it could not keep what else is asked for.
func (s *session) mayInstall(install, runtime bool) error {
	switch {
	case !install:
		return nil
	case runtime:
		return &usageError{text: "--install brings a package that outlasts a reboot, and --runtime changes the running host only",
			hint: "without --runtime; or install it first"}
	case s.sys.image != "":
		return &usageError{text: "--install is for the running host, and this is about an image", hint: "install the package where the image is made"}
	}
	return nil
}

// installs is the change that installs what the role misses; nil where it misses nothing.
// What else is due can be told only when it is there.
func (s *session) installs(ctx context.Context, p *patient, h *host.Host) (*step.Change, error) {
	if _, err := p.role.Plan(ctx, h, step.Present); !errors.Is(err, step.ErrNoKeepalived) {
		return nil, nil // that error is told where it counts
	}
	if h.Packages == nil {
		return nil, fmt.Errorf("--install: %w", host.ErrNoView)
	}
	command, err := h.Packages.Command(keepalivedPackage)
	if err != nil {
		return nil, fmt.Errorf("--install: %w", err)
	}
	return &step.Change{Step: "package", Op: step.Add, Object: keepalivedPackage, To: command,
		Do: func(ctx context.Context) error { return h.Packages.Install(ctx, keepalivedPackage) }}, nil
}

// install makes that change and reports it.
func (s *session) install(ctx context.Context, p *patient, h *host.Host) error {
	c, err := s.installs(ctx, p, h)
	if c == nil || err != nil {
		return err
	}
	s.note("%s …", c.To)
	if err := c.Do(ctx); err != nil {
		return &hintError{fmt.Errorf("%s: %w", c.To, err), "nothing of the role was changed; install it by hand, or see that this host reaches its package mirror"}
	}
	s.report.Changes = append(s.report.Changes, *c)
	return nil
}

// planInstall tells that change before all others.
func (s *session) planInstall(ctx context.Context, p *patient) (bool, error) {
	c, err := s.installs(ctx, p, p.host)
	if c == nil || err != nil {
		return false, err
	}
	s.report.Changes = []step.Change{*c}
	s.report.Warnings = append(s.report.Warnings, "what else is due can be told when it is installed: keepalived reads its configuration first")
	return true, nil
}
