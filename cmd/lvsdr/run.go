package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// The exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1   // the host could not be brought to where it should be
	exitUsage       = 2   // the command line or the configuration is wrong; nothing was touched
	exitInterrupted = 130 // a signal came; what was done is reported
)

// run carries out one command line and returns the exit status. All it touches
// of the world is behind sys, stdout and stderr.
func run(ctx context.Context, args []string, sys *system, stdout, stderr io.Writer) int {
	s := &session{sys: sys}
	app := newApp(s)
	app.Writer, app.ErrWriter = stdout, stderr
	words, err := arrange(args, append(allFlags(app), helpFlags()...))
	s.output = newOutput(words, sys, stdout, stderr)
	if err == nil {
		words, err = choose(app, words)
	}
	if err == nil {
		err = alone(app, words[0]).Run(ctx, append([]string{app.Name}, words...))
	}
	return s.finish(ctx, err)
}

// alone is the app with one of its commands: urfave/cli prepares the help of every
// command that an app has, which is most of what a short command takes.
func alone(app *cli.Command, name string) *cli.Command {
	one := *app
	one.Commands = []*cli.Command{app.Command(name)}
	return &one
}

// session is one run of the command.
type session struct {
	*output
	sys    *system
	report *report // of the command under way, nil when it does not change hosts
}

// choose checks the command and its flags, and gives the words to the app.
func choose(app *cli.Command, words []string) ([]string, error) {
	name, rest := words[0], words[1:]
	flags := rest[:slices.Index(rest, "--")]
	switch {
	case slices.Contains(flags, "--help"):
		return []string{"help", name}, nil
	case slices.Contains(flags, "--version"):
		return []string{"version"}, nil
	case name == "" && len(flags) > 0:
		return nil, &usageError{text: "no command given", hint: "lvsdr help lists them"}
	case name == "":
		return []string{"help"}, nil
	}
	command := app.Command(name)
	if command == nil {
		return nil, unknownCommand(app, name)
	}
	for _, word := range flags {
		flag, _, _ := strings.Cut(word, "=")
		if lookup(command.Flags, flag[2:]) == nil {
			return nil, &usageError{
				text: "lvsdr " + name + " has no flag " + flag,
				hint: "lvsdr help " + name + " lists its flags",
			}
		}
	}
	return words, nil
}

func unknownCommand(app *cli.Command, name string) error {
	var names []string
	for _, c := range app.Commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	e := usage("unknown command %q", name)
	e.hint = "the commands are " + strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		e.hint = "did you mean lvsdr " + near + "?"
	}
	return e
}
