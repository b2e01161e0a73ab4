package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

func checkCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "check a configuration file alone: no root, no IPVS, no look at this host",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Category: clusterFlags,
				Usage: "`FILE` the cluster as YAML, - for standard input (default: " + defaultConfig + ")"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: outputFlags,
				Usage: "print nothing when it is right"},
		},
		UsageText: `lvsdr check -c lvsdr.yaml
# what a template makes
envsubst <lvsdr.yaml.in | lvsdr check -c -`,
		Description: "Exit status: 0 it is right, 2 it is not: file, line and column say where.",
		Action:      s.check,
	}
}

func (s *session) check(ctx context.Context, c *cli.Command) error {
	if c.NArg() > 0 {
		e := usage("unexpected argument %q: the file is named by --config", c.Args().First())
		e.hint = "lvsdr check --config " + c.Args().First()
		return e
	}
	name := c.String("config")
	if name == "" && !c.IsSet("config") {
		name = defaultConfig
	}
	src, err := s.readConfig(name)
	if err != nil {
		return err
	}
	role := cluster.RealServerRole
	if len(src.RIPs()) > 0 || len(src.Directors) > 0 {
		role = cluster.DirectorRole
	}
	if err := src.tell(src.Validate(role)); err != nil {
		return err
	}
	if !s.quiet {
		s.printf("%s is right: %s", src.name, counted(src.Config))
	}
	return nil
}

// readConfig is readConfigFile, with - for standard input.
func (s *session) readConfig(name string) (source, error) {
	if name != "-" {
		return s.readConfigFile(name)
	}
	data, err := s.sys.readInput()
	if err != nil {
		return source{}, usage("cannot read the configuration: %w", err)
	}
	return s.parseConfigFile("-", "standard input", data)
}

// counted tells what the configuration describes.
func counted(c cluster.Config) string {
	return plural(len(c.Services), "service", "services") + ", " + plural(len(c.VIPs()), "VIP", "VIPs") + ", " +
		plural(len(c.RIPs()), "real server", "real servers")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
