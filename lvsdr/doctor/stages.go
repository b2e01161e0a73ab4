package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Preflight examines, before anything is touched, what set-up could not mend: the
// checks with [Check.Preflight] and those that they need. It fails with a
// [*PreflightError] when one of them fails. What is wrong on a real server that will
// be set up too is no reason not to begin. Where there is no such check it looks at
// nothing.
func (e *Exam) Preflight(ctx context.Context) ([]Finding, error) {
	before := e.again()
	before.Stage, before.Passive = BeforeSetUp, e.Passive || e.Host.Runtime
	before.Only = nil
	for _, c := range e.Checks {
		if c.Preflight {
			before.Only = append(before.Only, c.Code)
		}
	}
	if len(before.Only) == 0 {
		return nil, ctx.Err()
	}
	findings := before.Run(ctx)
	if err := ctx.Err(); err != nil {
		return findings, err
	}
	var stop []Finding
	for _, f := range findings {
		// Other checks run only because one of these needs them.
		if f.Severity == Failure && slices.Contains(before.Only, f.Check) && !e.isServer(f.On) {
			stop = append(stop, f)
		}
	}
	if len(stop) > 0 {
		return findings, &PreflightError{stop}
	}
	return findings, nil
}

// Foresee tells, beside a plan, what set-up will do to others, by the checks with
// [Check.Foresees]. It puts nothing on the wire.
func (e *Exam) Foresee(ctx context.Context) []Finding {
	before := e.again()
	before.Stage, before.Passive, before.Only = BeforeSetUp, true, nil
	for _, c := range e.Checks {
		if c.Foresees {
			before.Only = append(before.Only, c.Code)
		}
	}
	if len(before.Only) == 0 {
		return nil
	}
	return e.Foreseen(before.Run(ctx))
}

// Foreseen are the warnings among findings of a preflight that tell what set-up will
// do to others.
func (e *Exam) Foreseen(findings []Finding) []Finding {
	var some []Finding
	for _, f := range findings {
		foresees := func(c *Check) bool { return c.Foresees && c.Code == f.Check }
		if (f.Severity == Warning || f.Bad()) && slices.ContainsFunc(e.Checks, foresees) {
			some = append(some, f)
		}
	}
	return some
}

// Prove examines a host that has just been set up, and what it sees of the others
// from there. It fails with a [*ProofError] when a check fails, here or there.
func (e *Exam) Prove(ctx context.Context) ([]Finding, error) {
	after := e.again()
	after.Stage = AfterSetUp
	findings := after.Run(ctx)
	e.ran = after.ran
	if err := ctx.Err(); err != nil {
		return findings, err
	}
	bad := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Severity != Failure })
	if len(bad) > 0 {
		return findings, &ProofError{bad}
	}
	return findings, nil
}

// isServer tells whether an address is a real server's of the cluster.
func (e *Exam) isServer(address string) bool {
	addr, err := netip.ParseAddr(address)
	return err == nil && slices.Contains(e.Config.RIPs(), addr)
}

// again is the exam before it has looked at anything.
func (e *Exam) again() *Exam {
	return &Exam{
		Host: e.Host, Role: e.Role, Config: e.Config, Checks: e.Checks, Steps: e.Steps,
		Only: e.Only, Ignore: e.Ignore, Passive: e.Passive, Stage: e.Stage, Interface: e.Interface,
		Client: e.Client, SetUp: e.SetUp, Described: e.Described, Watch: e.Watch,
	}
}

// A PreflightError tells that the host is not to be set up, and why.
type PreflightError struct {
	Findings []Finding // the failures, at least one
}

// Codes are the checks that failed, each once.
func (e *PreflightError) Codes() []string {
	var codes []string
	for _, f := range e.Findings {
		if !slices.Contains(codes, f.Check) {
			codes = append(codes, f.Check)
		}
	}
	return codes
}

func (e *PreflightError) Error() string {
	what := ""
	for _, f := range e.Findings {
		what += "; " + f.Check + ": " + f.What
	}
	return "nothing was changed, because of " + strings.TrimPrefix(what, "; ")
}

// A ProofError tells that the host was set up, but that the cluster does not work.
type ProofError struct {
	Findings []Finding // the failures, on this host and on others, at least one
}

func (e *ProofError) Error() string {
	here, there := failed(e.Findings)
	switch {
	case len(there) == 0:
		return fmt.Sprintf("this host is set up, but %s failed", strings.Join(here, ", "))
	case len(here) == 0:
		return fmt.Sprintf("this host is set up, and what is wrong is on other hosts: %s", strings.Join(there, ", "))
	}
	return fmt.Sprintf("this host is set up, but %s failed; and on other hosts: %s", strings.Join(here, ", "), strings.Join(there, ", "))
}

// failed names the checks that failed, and those that did on other hosts with the
// hosts.
func failed(findings []Finding) (here, there []string) {
	hosts := map[string][]string{}
	var order []string
	for _, f := range findings {
		switch {
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

// demote makes warnings of what was found by checks that are ignored.
func (e *Exam) demote(findings []Finding) []Finding {
	for i, f := range findings {
		if f.Bad() && slices.Contains(e.Ignore, f.Check) {
			findings[i].Severity = Warning
		}
	}
	return findings
}
