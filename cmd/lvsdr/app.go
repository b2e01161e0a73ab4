package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v3"
)

// newApp is the table of commands.
func newApp(s *session) *cli.Command {
	app := &cli.Command{
		Name:        "lvsdr",
		HideHelp:    true, // help is ours, see help.go, and urfave/cli's is a global variable
		HideVersion: true,
		// Without it urfave/cli ends the process itself.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{
			setupCommand(s), planCommand(s), teardownCommand(s), statusCommand(s),
			weightCommand(s), drainCommand(s), undrainCommand(s),
			doctorCommand(s), explainCommand(s), checkCommand(s), unitsCommand(s), cloudInitCommand(s),
			importCommand(s), exportCommand(s),
			completionCommand(s), versionCommand(s),
		},
	}
	app.Commands = append(app.Commands, completeCommand(s, app), manCommand(s, app), helpCommand(s, app))
	for _, c := range app.Commands {
		c.HideHelp = true
		c.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage("%w", err) }
	}
	return app
}

// allFlags are the flags of all commands; the same name means the same everywhere.
func allFlags(app *cli.Command) []cli.Flag {
	var all []cli.Flag
	seen := map[string]bool{}
	for _, c := range app.Commands {
		for _, f := range c.Flags {
			if name := f.Names()[0]; !seen[name] {
				seen[name] = true
				all = append(all, f)
			}
		}
	}
	return slices.Clip(all)
}

// helpFlags go with every command.
func helpFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}},
		&cli.BoolFlag{Name: "version"},
	}
}
