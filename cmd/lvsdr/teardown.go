package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func teardownCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "teardown",
		Usage:     "give back everything that setup did, and leave everything else",
		ArgsUsage: "[director|realserver]",
		Flags:     teardownFlags(),
		Action:    s.teardown,
		Description: `Set-up left its marks, so teardown needs no description of the cluster. It works
after a reboot and after a set-up that was broken off. Without a role it gives back
the one that is set up on this host.`,
		UsageText: `lvsdr teardown director
# only look
lvsdr teardown director --dry-run`,
	}
}

func (s *session) teardown(ctx context.Context, c *cli.Command) error {
	s.report = &report{DryRun: c.Bool("dry-run"), teardown: true}
	role, err := s.leaving(ctx, c)
	if err != nil {
		return err
	}
	if s.report.DryRun {
		s.report.Changes, err = role.Plan(ctx, s.sys.host(), step.Absent)
		return err
	}
	if err := s.pause(ctx, role.Name, nil); err != nil {
		return err
	}
	return s.change(ctx, s.sys.host(), func(ctx context.Context, h *host.Host) error {
		ctx, done := s.draining(ctx)
		defer done()
		s.report.Changes, err = role.Down(ctx, h)
		return err
	})
}

// leaving is the role that is to be given back; its steps are empty where there
// is none.
func (s *session) leaving(ctx context.Context, c *cli.Command) (lvsdr.Role, error) {
	name, err := s.begin(c, roleNames)
	if err != nil {
		return lvsdr.Role{}, err
	}
	if name == "" {
		if name, err = s.roleHere(); err != nil || name == "" {
			return lvsdr.Role{}, err
		}
		s.note("%s is a %s", here(s.sys.image), spoken(name))
		s.report.Role = name
	}
	if err := s.whole(ctx, c, name); err != nil {
		return lvsdr.Role{}, err
	}
	config, err := s.formerConfig(c, name)
	if err != nil {
		return lvsdr.Role{}, err
	}
	if err := s.warnOfLost(name); err != nil {
		return lvsdr.Role{}, err
	}
	role, err := lvsdr.Former(name, config)
	role.Steps = append(role.Steps, s.unitStep(name, source{}))
	return role, err
}

// roleHere is the role that left its marks on this host, empty when none did.
func (s *session) roleHere() (string, error) {
	roles, err := step.Roles(s.sys.host())
	switch {
	case err != nil:
		return "", err
	case len(roles) > 1:
		return "", &hintError{
			errors.New("this host has marks of both roles"),
			"give back one after the other: lvsdr teardown director; lvsdr teardown realserver",
		}
	case len(roles) == 1:
		return roles[0], nil
	}
	return "", nil
}

// formerConfig is what is known of the cluster. What is given must be right; the
// default file may be missing or damaged, as teardown can do without.
func (s *session) formerConfig(c *cli.Command, role string) (cluster.Config, error) {
	src, err := s.described(c, role)
	switch {
	case err == nil || isGiven(c):
		return src.Config, err
	case !errors.Is(err, errNothingGiven):
		s.note("going on without the configuration: %v", err)
	}
	return cluster.Config{}, nil
}
