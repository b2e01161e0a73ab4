package main

import (
	"github.com/urfave/cli/v2"

	"github.com/lvsdr/toolkit/lvsdr/status"
)

func statusCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the virtual services, real servers, connections, rates and VIPs of this host",
		Flags: messageFlags(),
		Description: `Shows what the kernel has, whoever set it up. It changes nothing, and needs root
only where IPVS has services to show.`,
		UsageText: "lvsdr status",
		Action:    s.status,
	}
}

func (s *session) status(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	st, err := status.Look(c.Context, s.sys.host())
	if err != nil {
		return err
	}
	if s.json {
		return s.document(st)
	}
	printStatus(s.output, st)
	return nil
}
