package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/units"
)

func unitsCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "units",
		Usage:     "print the systemd units that setup writes",
		ArgsUsage: "[director|realserver]",
		Flags:     append(roleFlags(), allUnitsFlag()),
		Action:    s.units,
		Description: `The unit runs "lvsdr setup ROLE --runtime" at boot with the same description of the
cluster, and "lvsdr teardown ROLE --runtime" when it is stopped. Where nothing
describes the cluster, the unit printed will look for ` + defaultConfig + `:
that is the one for a package or an image.
--all prints the units that it wants as well, which bring the host back to its role
and follow the description, each below the name of its file.`,
		UsageText: `lvsdr units director --config /etc/lvsdr/cluster.yaml`,
	}
}

// unitDocument is a unit as JSON.
type unitDocument struct {
	Role    string `json:"role"`
	Name    string `json:"name"`
	Content string `json:"content"`
	// Helpers are the units that it wants.
	Helpers []unitFile `json:"helpers,omitempty"`
}

// A unitFile is one of them.
type unitFile struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

func (s *session) units(ctx context.Context, c *cli.Command) error {
	s.report = &report{}
	unit, err := s.unit(ctx, c)
	if err != nil {
		return err
	}
	text, err := units.Render(unit)
	if err != nil {
		return err
	}
	document := unitDocument{Role: unit.Role, Name: units.Name(unit.Role), Content: string(text)}
	if document.Helpers, err = helperFiles(unit); err != nil {
		return err
	}
	s.report = nil // the unit is the result
	if s.json {
		return s.document(document)
	}
	if !c.Bool("all") {
		_, err = s.stdout.Write(text)
		return err
	}
	for i, file := range append([]unitFile{{document.Name, document.Content}}, document.Helpers...) {
		if i > 0 {
			s.printf("")
		}
		s.printf("# %s\n%s", units.HelperFile(file.Name), strings.TrimSuffix(file.Content, "\n"))
	}
	return nil
}

// helperFiles are the units beside that of the role, without those that it does not
// want.
func helperFiles(unit units.Unit) (files []unitFile, err error) {
	helpers, err := unit.Helpers()
	for _, h := range helpers {
		if h.Content != nil {
			files = append(files, unitFile{h.Name, string(h.Content)})
		}
	}
	return files, err
}

// unit is the one that setup would write with the same command line.
func (s *session) unit(ctx context.Context, c *cli.Command) (units.Unit, error) {
	name, err := s.begin(c, roleNames)
	if err != nil {
		return units.Unit{}, err
	}
	src, err := s.described(c, name)
	later := errors.Is(err, errNothingGiven) && name != "" // the default file is not there yet
	if err != nil && !later {
		return units.Unit{}, err
	}
	if _, err := src.ignore(c); err != nil || later {
		return s.unitOf(name, src), err
	}
	if name == "" {
		if name, err = s.findRole(ctx, src); err != nil {
			return units.Unit{}, err
		}
	}
	if _, err = s.makeRole(ctx, name, &src); errors.Is(err, errNotListed) {
		err = nil // for another host, or for many
	}
	return s.unitOf(name, src), err
}

// unitOf has a real server say which one of the file's it is: at boot it may have no
// address yet.
func (s *session) unitOf(role string, src source) units.Unit {
	args := src.allArgs()
	if role == cluster.RealServerRole && src.file != "" && len(src.addresses) == 0 {
		for _, a := range src.listed {
			args = append(args, "--address", a.String())
		}
	}
	return units.Unit{Role: role, Binary: s.sys.program, Args: args}
}

// unitStep has the host come back to its role after a reboot.
func (s *session) unitStep(role string, src source) units.Step {
	return units.Step{Unit: s.unitOf(role, src), Manager: s.sys.systemd}
}

// startUnit makes the unit active that set-up has brought in place. It runs
// set-up once more, so it must be called without the lock.
func (s *session) startUnit(ctx context.Context) error {
	if s.sys.host().Runtime || s.sys.systemd == nil || !s.sys.systemd.Running() {
		return nil // where systemd does not run, the change of the unit says so
	}
	name := units.Name(s.report.Role)
	active, err := units.Start(ctx, s.sys.systemd, s.report.Role)
	switch {
	case err != nil:
		return err
	case !active:
		s.report.Warnings = append(s.report.Warnings, name+" is not active yet: systemd is still busy with it")
	default:
		s.detail("%s is active", name)
	}
	return nil
}
