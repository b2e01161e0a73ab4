package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/lvsdr/toolkit/lvsdr"
)

func doctorCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "check this host and, from it, the cluster; name the fault",
		ArgsUsage: "[director|realserver|client]",
		Flags:     roleFlags(),
		Action:    s.doctor,
		UsageText: `lvsdr doctor`,
	}
}

// errUnhealthy: the findings tell.
var errUnhealthy = errors.New("unhealthy")

// doctor is the doctor's report; as JSON it is described in docs/output.md.
type diagnosis struct {
	Role     string                 `json:"role"`
	Findings []lvsdr.Finding        `json:"findings"`
	Summary  map[lvsdr.Severity]int `json:"summary"`
}

func (s *session) doctor(c *cli.Context) error {
	s.report = &report{}
	name, err := s.begin(c)
	if err != nil {
		return err
	}
	src, err := s.readSource(c)
	if err != nil {
		return err
	}
	build := map[string]func(lvsdr.Config) (lvsdr.Role, error){
		lvsdr.DirectorRole: lvsdr.Director, lvsdr.RealServerRole: lvsdr.RealServer, lvsdr.ClientRole: lvsdr.Client,
	}[name]
	role, err := build(src.Config)
	if err != nil {
		return src.tell(err)
	}
	findings := role.Doctor(c.Context, s.sys.host)
	d := diagnosis{name, findings, map[lvsdr.Severity]int{}}
	for _, f := range findings {
		d.Summary[f.Severity]++
	}
	s.report = nil
	if s.json {
		return s.document(d)
	}
	for _, f := range findings {
		s.printf("%-8s %-16s %s", f.Severity, f.Check, f.What)
	}
	return nil
}
