package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

// preflight examines, before anything is touched, what set-up cannot mend.
func (s *session) preflight(ctx context.Context, p *patient) error {
	e := p.exam()
	defer s.watch(e)()
	findings, err := e.Preflight(ctx)
	s.foresee(e.Foreseen(findings))
	var stop *doctor.PreflightError
	if !errors.As(err, &stop) {
		return err
	}
	s.report.Findings = stop.Findings
	return &hintError{
		fmt.Errorf("nothing was changed, because of %s", strings.Join(stop.Codes(), ", ")),
		"mend it, or go on in spite of it: --ignore " + strings.Join(stop.Codes(), " --ignore "),
	}
}

// foresee tells, before anything is touched, what set-up will do to others.
func (s *session) foresee(findings []doctor.Finding) {
	s.report.foreseen = findings
	if !s.json {
		s.tellFindings(s.stderr, findings, nil)
	}
}

// prove examines the host that has just been set up, and what it sees of the others
// from there.
func (s *session) prove(ctx context.Context, p *patient) error {
	e := p.exam()
	defer s.watch(e)()
	findings, err := e.Prove(ctx)
	s.report.Findings = slices.DeleteFunc(findings, func(f doctor.Finding) bool { return rank[f.Severity] == 0 })
	if err == nil || isUnproved(err) && p.role.Name == cluster.DirectorRole {
		s.report.works = s.works(ctx, e, p)
	}
	if isUnproved(err) {
		return &hintError{err, "mend what is told above, then look again: lvsdr doctor"}
	}
	return err
}

// isUnproved tells whether this host was set up, but the cluster does not work.
func isUnproved(err error) bool {
	var unproved *doctor.ProofError
	return errors.As(err, &unproved)
}
