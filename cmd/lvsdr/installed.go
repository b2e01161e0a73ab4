package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/lvsdr/toolkit/units"
)

// installedUnit is the description of the cluster that a unit of lvsdr's has.
type installedUnit struct {
	units.Unit
	source
	path  string       // of the unit's file
	told  *cli.Command // its command line
	plain source       // of it, without what is about this host
}

// installed reads the unit of a role, of any role when name is empty.
func (s *session) installed(name string) (u installedUnit, err error) {
	if name != "" {
		return s.installedAs(name)
	}
	for _, role := range roleNames {
		if u, err = s.installedAs(role); err == nil {
			break
		}
	}
	return u, err
}

func (s *session) installedAs(role string) (u installedUnit, err error) {
	file := step.UnitFile(role)
	text, err := s.sys.host().Files.ReadFile(file)
	if err != nil {
		return u, err
	}
	if u.Unit, err = units.Parse(text); err != nil {
		return u, fmt.Errorf("%s: %w", file, err)
	}
	c, err := parseWords("setup", u.Args)
	if err != nil {
		return u, fmt.Errorf("%s: %w", file, err)
	}
	if u.plain, err = s.readFileOrFlags(c); err != nil {
		return u, fmt.Errorf("%s: %w", file, err)
	}
	u.source = u.plain
	if err = u.thisHost(c); err != nil {
		return u, fmt.Errorf("%s: %w", file, err)
	}
	u.path, u.told = file, c
	return u, nil
}

// refusedAtBoot is why set-up will refuse what the unit of a role tells it, nil when it
// will not.
func (s *session) refusedAtBoot(role string) error {
	u, err := s.installedAs(role)
	if errors.Is(err, units.ErrNotSetUp) {
		return fmt.Errorf("%w: %w", doctor.ErrOtherAtBoot, err)
	}
	if err == nil {
		err = u.tell(u.Validate(role))
	}
	if err == nil {
		err = s.lasts(&u.plain)
	}
	return err
}

// parseWords reads the flags of a command that was once given.
func parseWords(command string, args []string) (*cli.Command, error) {
	flags := setupFlags()
	words, err := arrange(append([]string{command}, args...), flags)
	if err != nil {
		return nil, err
	}
	told := &cli.Command{
		Name: command, Flags: flags, HideHelp: true,
		Action:       func(context.Context, *cli.Command) error { return nil },
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
	}
	return told, told.Run(context.Background(), words)
}
