package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// The help texts are written here rather than by urfave/cli's templates: groups
// of flags in the order in which a newcomer needs them, and the example before
// the flags.

func helpCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "explain a command",
		ArgsUsage: "[COMMAND]",
		UsageText: "lvsdr help setup",
		Action: func(ctx context.Context, c *cli.Command) error {
			app, name := newApp(s), c.Args().First()
			if name == "" {
				s.printf("%s", strings.TrimSuffix(appHelp(app), "\n"))
				return nil
			}
			command := app.Command(name)
			if command == nil || command.Hidden {
				return unknownCommand(app, name)
			}
			s.printf("%s", strings.TrimSuffix(commandHelp(command), "\n"))
			return nil
		},
	}
}

func appHelp(app *cli.Command) string {
	var b strings.Builder
	b.WriteString(`lvsdr makes Linux hosts an LVS direct-routing cluster: a director, which has the
virtual IP (VIP) on the LAN and forwards every connection, and real servers, which
answer the clients themselves.

The cluster of a director and two real servers, one command a host:
    lvsdr setup realserver --vip 10.10.10.22
    lvsdr setup director   --vip 10.10.10.22 -r 10.10.10.31 -r 10.10.10.32

Commands:
`)
	for _, c := range app.Commands {
		if !c.Hidden {
			fmt.Fprintf(&b, "    %-11s %s\n", c.Name, c.Usage)
		}
	}
	b.WriteString(`
lvsdr help COMMAND explains a command and its flags.
Exit status: 0 done, 1 not done, 2 wrong command line or configuration, 130 interrupted.
`)
	return b.String()
}

func commandHelp(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage:\n    lvsdr %s", sentence(c.Usage), c.Name)
	if c.ArgsUsage != "" {
		b.WriteString(" " + c.ArgsUsage)
	}
	if len(c.Flags) > 0 {
		b.WriteString(" [flags]")
	}
	fmt.Fprintf(&b, "\n\nExample:\n%s\n", indent(c.UsageText))
	if c.Description != "" {
		fmt.Fprintf(&b, "\n%s\n", c.Description)
	}
	for _, group := range []string{clusterFlags, hostFlags, outputFlags} {
		writeFlags(&b, group, c.Flags)
	}
	return b.String()
}

func writeFlags(b *strings.Builder, group string, flags []cli.Flag) {
	heading := "\n" + group + ":\n"
	for _, f := range flags {
		d, ok := f.(interface {
			cli.DocGenerationFlag
			cli.CategorizableFlag
		})
		if !ok || d.GetCategory() != group {
			continue
		}
		b.WriteString(heading)
		heading = ""
		value, text := placeholder(d.GetUsage())
		fmt.Fprintf(b, "    %s\n%s\n", spelling(f, value), wrap(text, "          ", 86))
	}
}

// spelling is "-r, --real-server ADDR[=WEIGHT]".
func spelling(f cli.Flag, value string) string {
	text := "    --" + f.Names()[0]
	if len(f.Names()) > 1 {
		text = "-" + f.Names()[1] + ", --" + f.Names()[0]
	}
	return strings.TrimSuffix(text+" "+value, " ")
}

// placeholder takes the leading name in backquotes off a flag's usage.
func placeholder(usage string) (value, text string) {
	value, text, ok := strings.Cut(strings.TrimPrefix(usage, "`"), "` ")
	if !ok {
		return "", usage
	}
	return value, text
}

func wrap(text, margin string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
			b.WriteString(margin)
			column = len(margin)
		case column+1+len(word) > width:
			b.WriteString("\n" + margin)
			column = len(margin)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}

func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
