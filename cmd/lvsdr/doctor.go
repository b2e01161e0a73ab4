package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func doctorCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "examine this host and, from it, the cluster; name what is wrong and what mends it",
		ArgsUsage: "[director|realserver|client]",
		Flags:     doctorFlags(),
		Action:    s.doctor,
		Description: `On a host that lvsdr set up it needs no flags. Elsewhere it examines a cluster made
by other means: say --vip and, if you can, --real-server; on a director its IPVS
table will do. A client is any other host on the LAN: from there it sees what the
users see.

It changes nothing (but see --fix). It puts a few frames on the LAN: questions
for MAC addresses, and the beginning of a connection to each real server (but see
--passive). What it cannot tell, as without root, is "unknown" and no pass.

lvsdr explain CODE explains a check: what it means and where the fact comes from.
Exit status: 0 healthy, warnings allowed; 1 a failure, or it could not tell.`,
		UsageText: `# on a host that lvsdr set up
lvsdr doctor
# on any other host on the LAN
lvsdr doctor client --vip 10.10.10.22 -r 10.10.10.31 -r 10.10.10.32
# mend what set-up can, and look again
lvsdr doctor --fix
# while the other hosts come up
lvsdr doctor --wait 5m`,
	}
}

func doctorFlags() []cli.Flag {
	return slices.Concat(serviceFlags(), thisHostFlags(), []cli.Flag{
		&cli.StringSliceFlag{Config: trimmed, Name: "only", Category: hostFlags,
			Usage: "`CODE` run this check and those it needs, no others; repeatable"},
		passiveFlag(),
		&cli.StringFlag{Name: "client", Category: hostFlags,
			Usage: "`ADDR` a client that is not served: judge the way back to it"},
		&cli.BoolFlag{Name: "fix", Category: hostFlags,
			Usage: "make the changes that setup would make for what was found, and look again"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: hostFlags,
			Usage: "with --fix: print the changes, make none"},
		&cli.StringFlag{Name: "wait", Category: hostFlags,
			Usage: "`DURATION` look again until nothing is wrong, for so long at most: 5m"},
		&cli.BoolFlag{Name: "list", Category: outputFlags,
			Usage: "print the codes of the checks and what each asks; examine nothing"},
	}, messageFlags())
}

// errUnhealthy: the findings are bad; they tell more than an error could.
var errUnhealthy = errors.New("unhealthy")

// diagnosis is what the doctor tells; as JSON it is described in docs/output.md.
type diagnosis struct {
	Role     string           `json:"role"`
	DryRun   bool             `json:"dryRun,omitempty"`
	Changes  []step.Change    `json:"changes,omitempty"` // made by --fix
	Findings []doctor.Finding `json:"findings"`
	Summary  summary          `json:"summary"`
}

func (s *session) doctor(ctx context.Context, c *cli.Command) error {
	s.report = &report{} // for an error
	if c.Bool("list") {
		return s.list(c)
	}
	wait, err := waitOf(c)
	if err != nil {
		return err
	}
	p, err := s.findPatient(ctx, c)
	if err != nil {
		return err
	}
	s.mentionRights(p)
	d := diagnosis{Role: p.role.Name}
	if d.Findings, err = s.examineUntil(ctx, p, wait); err != nil {
		return err
	}
	if c.Bool("fix") {
		if err := s.fix(ctx, p, &d, c.Bool("dry-run")); err != nil {
			return err
		}
	}
	s.report = nil // the findings are the result
	d.Summary = summarise(d.Findings)
	if s.json {
		err = s.document(d)
	} else {
		s.tellFindings(s.stdout, d.Findings, p.ignored)
		if !s.quiet {
			s.printf("%s", d.Summary)
		}
	}
	if err == nil && d.Summary.Failure+d.Summary.Unknown > 0 {
		err = errUnhealthy
	}
	return err
}

// examine takes a look at the patient.
func (s *session) examine(ctx context.Context, p *patient) ([]doctor.Finding, error) {
	e := p.exam()
	defer s.watch(e)()
	return e.Run(ctx), ctx.Err()
}

// lookAgain is how long --wait waits between two looks.
const lookAgain = 2 * time.Second

// examineUntil looks until nothing is wrong, at most so long; the last look counts.
func (s *session) examineUntil(ctx context.Context, p *patient, wait time.Duration) ([]doctor.Finding, error) {
	deadline := time.Now().Add(wait)
	for {
		findings, err := s.examine(ctx, p)
		left := time.Until(deadline)
		if err != nil || left <= 0 || !slices.ContainsFunc(findings, doctor.Finding.Bad) {
			return findings, err
		}
		s.detail("not healthy yet: looking again for %s", left.Round(time.Second))
		select {
		case <-ctx.Done():
			return findings, ctx.Err()
		case <-time.After(min(lookAgain, left)):
		}
	}
}

// waitOf reads --wait.
func waitOf(c *cli.Command) (time.Duration, error) {
	if !c.IsSet("wait") {
		return 0, nil
	}
	wait, err := cluster.ParseDuration(c.String("wait"))
	if err != nil {
		return 0, usage("--wait: %w", err)
	}
	if c.Bool("fix") {
		return 0, usage("--wait does not go with --fix: mend first, then wait")
	}
	return time.Duration(wait), nil
}

// list prints the checks of the role that is named, or of all.
func (s *session) list(c *cli.Command) error {
	role := c.Args().First()
	if c.NArg() > 1 || role != "" && !slices.Contains(examinedRoles, role) {
		return usage("lvsdr doctor --list takes one role at most: %s", strings.Join(examinedRoles, ", "))
	}
	s.listChecks(role)
	return nil
}

// mentionRights tells beforehand why much will be unknown.
func (s *session) mentionRights(p *patient) {
	have, err := s.sys.capabilities()
	if err != nil || have&(1<<unix.CAP_NET_ADMIN) != 0 && (p.passive || have&(1<<unix.CAP_NET_RAW) != 0) {
		return
	}
	s.note("not root: what only root may look at is unknown; sudo lvsdr doctor sees it")
}

// codes are the values of a flag that names checks.
func codes(c *cli.Command, flag string) ([]string, error) {
	all := c.StringSlice(flag)
	for _, code := range all {
		if slices.Contains(allCodes(), code) {
			continue
		}
		return nil, unknownCheck("--"+flag, code)
	}
	return all, nil
}

// unknownCheck is the error for a code that no check has.
func unknownCheck(where, code string) error {
	e := usage("%s %q: there is no such check", where, code)
	e.hint = "lvsdr doctor --list has the codes"
	if near := nearest(code, allCodes()); near != "" {
		e.hint = "did you mean " + near + "?"
	}
	return e
}

// allCodes are the codes of all roles' checks, in the order of the reports.
func allCodes() []string {
	var all []string
	for _, role := range examinedRoles {
		for _, check := range doctor.Checks(role) {
			if !slices.Contains(all, check.Code) {
				all = append(all, check.Code)
			}
		}
	}
	return all
}
