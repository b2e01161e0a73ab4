package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/status"
)

// prometheus is an output format of status alone.
const prometheus = "prometheus"

func statusCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the virtual services, real servers, connections, rates and VIPs of this host",
		Flags: statusFlags(),
		Description: `Shows what the kernel has, whoever set it up. It changes nothing, and needs root
only where IPVS has services to show.

--watch looks again and again until Ctrl-C or SIGTERM, which end it with exit status 0:
on a terminal it repaints, elsewhere it appends, with -o json one line a look.
--tuning adds notes on what costs a director time or room: what was seen, above which
value it is noted, and the command that changes it. Nothing is tuned unasked.
-o prometheus prints one look as metrics, for node_exporter's textfile collector.`,
		UsageText: `lvsdr status
# until Ctrl-C
lvsdr status --watch
# from a timer, for node_exporter
cd /var/lib/prometheus/node-exporter && lvsdr status -o prometheus >.lvsdr && mv .lvsdr lvsdr.prom`,
		Action: s.status,
	}
}

func statusFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Category: outputFlags,
			Usage: "look again and again, until Ctrl-C"},
		&cli.StringFlag{Name: "interval", Category: outputFlags,
			Usage: "`DURATION` how often --watch looks: 5s; not less than 100ms (default: 1s)"},
		&cli.BoolFlag{Name: "tuning", Category: outputFlags,
			Usage: "add what costs this director time or room, each with the command that changes it"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: outputFlags,
			Usage: "`FORMAT` text, json or prometheus (default: text)"},
	}, quietFlags())
}

func (s *session) status(ctx context.Context, c *cli.Command) error {
	if err := noArguments(c, prometheus); err != nil {
		return err
	}
	every, err := intervalOf(c)
	if err != nil {
		return err
	}
	if c.Bool("tuning") && (every > 0 || c.String("output") == prometheus) {
		return usage("--tuning goes with one look, as text or JSON: neither with --watch nor with -o prometheus")
	}
	if every > 0 {
		return s.watchStatus(ctx, every)
	}
	st, err := status.Look(ctx, s.sys.host())
	switch {
	case err != nil:
		return err
	case c.String("output") == prometheus:
		_ = st.Prometheus(s.stdout) // what cannot be written is told by finish
		return nil
	}
	if c.Bool("tuning") {
		if st.Tuning, err = status.Tuning(ctx, s.sys.host(), st); err != nil {
			return err
		}
	}
	if s.json {
		return s.document(st)
	}
	printStatus(s.output, st)
	if c.Bool("tuning") {
		printTuning(s.output, st.Tuning)
	}
	return nil
}
