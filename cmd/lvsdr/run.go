package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/filter"
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
	app, words, err := understand(s, args)
	s.output = newOutput(words, sys, stdout, stderr)
	if err == nil {
		words, err = choose(app, words)
	}
	if err == nil {
		app = alone(s, app, words[0])
		app.Writer, app.ErrWriter = stdout, stderr
		err = app.Run(filter.Once(ctx), append([]string{app.Name}, words...))
	}
	return s.finish(ctx, err)
}

// understand arranges the command line by the flags of the command that it begins with,
// and by those of all commands where it begins with none, or has flags of another one:
// to make all of them is most of what a short command takes.
func understand(s *session, args []string) (app *cli.Command, words []string, err error) {
	name := ""
	if len(args) > 0 && !slices.ContainsFunc(args, several) {
		name = args[0]
	}
	app = appFor(s, name)
	words, err = arrange(args, allFlags(app))
	if err != nil && app.Command(name) != nil {
		app = newApp(s)
		words, err = arrange(args, allFlags(app))
	}
	return app, words, err
}

// several tells whether a word may be several flags, such as -nq, or one of any command.
func several(word string) bool { return len(word) > 2 && word[0] == '-' && word[1] != '-' }

// alone is the app with one command: urfave/cli prepares the help of every command that
// an app has.
func alone(s *session, app *cli.Command, name string) *cli.Command {
	if len(app.Commands) == 1 && app.Command(name) != nil {
		return app
	}
	return appFor(s, name)
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
