package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

// preflight examines, before anything is touched, what set-up cannot mend. What is
// wrong on another host that will be set up too does not stop it: the proof tells.
func (s *session) preflight(ctx context.Context, p *patient) error {
	before := *p
	before.stage, before.passive = doctor.BeforeSetUp, p.passive || p.host.Runtime
	for _, c := range p.role.Checks {
		if c.Preflight {
			before.only = append(before.only, c.Code)
		}
	}
	if len(before.only) == 0 {
		return nil
	}
	findings, err := s.examine(ctx, &before)
	if err != nil {
		return err
	}
	var stop []string
	for _, f := range findings {
		// Other checks run only because one of these needs them.
		if f.Severity == doctor.Failure && slices.Contains(before.only, f.Check) && !p.isServer(f.On) {
			s.report.Findings = append(s.report.Findings, f)
			if !slices.Contains(stop, f.Check) {
				stop = append(stop, f.Check)
			}
		}
	}
	if len(stop) == 0 {
		return nil
	}
	return &hintError{
		fmt.Errorf("nothing was changed, because of %s", strings.Join(stop, ", ")),
		"mend it, or go on in spite of it: --ignore " + strings.Join(stop, " --ignore "),
	}
}

// isServer tells whether an address is a real server's of the cluster.
func (p *patient) isServer(address string) bool {
	addr, err := netip.ParseAddr(address)
	return err == nil && slices.Contains(realServers(p.src.Config), addr)
}

// errUnproved: this host was set up, but the cluster does not work.
var errUnproved = errors.New("this host is set up, but")

// prove examines the host that has just been set up, and what it sees of the others
// from there.
func (s *session) prove(ctx context.Context, p *patient) error {
	after := *p
	after.stage = doctor.AfterSetUp
	findings, err := s.examine(ctx, &after)
	s.report.Findings = slices.DeleteFunc(findings, func(f doctor.Finding) bool { return rank[f.Severity] == 0 })
	if err != nil {
		return err
	}
	here, there := failed(s.report.Findings)
	var parts []string
	if len(here) > 0 {
		parts = append(parts, strings.Join(here, ", ")+" failed")
	}
	if len(there) > 0 {
		parts = append(parts, "not on this host, "+strings.Join(there, ", "))
	}
	if len(parts) == 0 {
		return nil
	}
	return &hintError{
		fmt.Errorf("%w %s", errUnproved, strings.Join(parts, "; and, ")),
		"mend what is told above, then look again: lvsdr doctor",
	}
}

// failed names the checks that failed, and those that did on other hosts with the
// hosts.
func failed(findings []doctor.Finding) (here, there []string) {
	hosts := map[string][]string{}
	var order []string
	for _, f := range findings {
		switch {
		case f.Severity != doctor.Failure:
		case f.On == "" && !slices.Contains(here, f.Check):
			here = append(here, f.Check)
		case f.On != "":
			if hosts[f.Check] == nil {
				order = append(order, f.Check)
			}
			if !slices.Contains(hosts[f.Check], f.On) {
				hosts[f.Check] = append(hosts[f.Check], f.On)
			}
		}
	}
	for _, code := range order {
		there = append(there, code+" failed on "+strings.Join(hosts[code], ", "))
	}
	return here, there
}
