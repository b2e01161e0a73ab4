package main

import (
	"errors"

	"github.com/urfave/cli/v2"
)

func unitsCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "units",
		Usage:     "print the systemd unit that setup writes",
		ArgsUsage: "director|realserver",
		Flags:     roleFlags(),
		UsageText: "lvsdr units director",
		Action:    func(c *cli.Context) error { return errors.ErrUnsupported },
	}
}
