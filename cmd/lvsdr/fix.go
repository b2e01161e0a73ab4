package main

import (
	"context"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// fix makes the changes that set-up would make of the steps of what was found on
// this host, and nothing else, and looks again. It shows them before it makes them.
func (s *session) fix(ctx context.Context, p *patient, d *diagnosis, dryRun bool) error {
	if p.role.Name == cluster.ClientRole {
		return usage("--fix: on a client there is nothing that setup would make")
	}
	role, err := p.cure(d.Findings)
	if err != nil {
		return p.src.tell(err)
	}
	if d.Changes, err = role.Plan(ctx, p.host, step.Present); err != nil {
		return err
	}
	s.report.Role, s.report.DryRun = role.Name, dryRun
	s.showFix(d.Changes, dryRun)
	if d.DryRun = dryRun; dryRun || len(d.Changes) == 0 {
		s.closeFix(d.Changes, dryRun)
		return nil
	}
	err = s.change(ctx, p.host, func(ctx context.Context, h *host.Host) (err error) {
		d.Changes, err = role.Apply(ctx, h, step.Present)
		return err
	})
	if err != nil {
		s.report.Changes = d.Changes
		return err
	}
	s.closeFix(d.Changes, dryRun)
	d.Findings, err = s.examine(ctx, p)
	return err
}

// cure is the role with the steps only that mend what was found on this host.
// Set-up's word on the configuration is asked for: it may be one that was only
// found on the host. An administrator's mask stays.
func (p *patient) cure(findings []doctor.Finding) (lvsdr.Role, error) {
	if p.found {
		if err := p.src.tell(p.src.Validate(p.role.Name)); err != nil {
			return lvsdr.Role{}, err
		}
	}
	role := p.role
	masked, err := step.Masked(p.host.Files, step.UnitFile(role.Name))
	if err != nil {
		return role, err
	}
	role.Steps = slices.DeleteFunc(slices.Clone(role.Steps), func(s step.Step) bool {
		return s.Name() == step.Unit && masked || !slices.ContainsFunc(findings, func(f doctor.Finding) bool {
			return f.Step == s.Name() && f.On == "" && rank[f.Severity] > 0 && !slices.Contains(p.ignored, f.Check)
		})
	})
	return role, nil
}

func (s *session) showFix(changes []step.Change, dryRun bool) {
	if s.json || s.quiet && !dryRun {
		return
	}
	for _, line := range lines(s.output, changes) {
		s.printf("%s", line)
	}
}

// closeFix tells what became of the changes shown.
func (s *session) closeFix(changes []step.Change, dryRun bool) {
	if s.json || s.quiet {
		return
	}
	text := "of what was found, there is nothing that setup would change on this host"
	if len(changes) > 0 {
		text = (&report{Changes: changes, DryRun: dryRun}).summary(true)
	}
	s.printf("%s\n", text)
}
