package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v3"
)

// A maker makes a command.
type maker struct {
	name string
	make func(*session) *cli.Command
}

// makers is the table of commands.
func makers() []maker {
	return []maker{
		{"setup", setupCommand}, {"plan", planCommand}, {"teardown", teardownCommand}, {"status", statusCommand},
		{"weight", weightCommand}, {"drain", drainCommand}, {"undrain", undrainCommand},
		{"doctor", doctorCommand}, {"explain", explainCommand}, {"check", checkCommand}, {"units", unitsCommand}, {"cloud-init", cloudInitCommand},
		{"import", importCommand}, {"export", exportCommand},
		{"completion", completionCommand}, {"version", versionCommand},
		{"__complete", completeCommand}, {"__man", manCommand}, {"help", helpCommand},
	}
}

// newApp has every command.
func newApp(s *session) *cli.Command { return appOf(s, makers()) }

// appFor has the named command alone, which is all that running it takes, or where there
// is none of that name every command.
func appFor(s *session, name string) *cli.Command {
	all := makers()
	if at := slices.IndexFunc(all, func(m maker) bool { return m.name == name }); at >= 0 {
		all = all[at : at+1]
	}
	return appOf(s, all)
}

func appOf(s *session, of []maker) *cli.Command {
	app := &cli.Command{
		Name:        "lvsdr",
		HideHelp:    true, // help is ours, see help.go, and urfave/cli's is a global variable
		HideVersion: true,
		// Without it urfave/cli ends the process itself.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	for _, m := range of {
		c := m.make(s)
		c.HideHelp = true
		c.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage("%w", err) }
		app.Commands = append(app.Commands, c)
	}
	return app
}

// allFlags are the flags of the app's commands, some of them several times: the same name
// means the same everywhere.
func allFlags(app *cli.Command) []cli.Flag {
	var all []cli.Flag
	for _, c := range app.Commands {
		all = append(all, c.Flags...)
	}
	return append(all, helpFlags()...)
}

// helpFlags go with every command.
func helpFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}},
		&cli.BoolFlag{Name: "version"},
	}
}
