package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// manCommand prints lvsdr(8), made of the texts of help, for packages.
func manCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:   "__man",
		Usage:  "print the manual page, for packages",
		Hidden: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			_, err := fmt.Fprint(s.stdout, manPage(newApp(s)))
			return err
		},
	}
}

func manPage(app *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH LVSDR 8 \"\" %q \"System administration\"\n", "lvsdr "+thisBuild().Version)
	b.WriteString(".SH NAME\nlvsdr \\- makes Linux hosts an LVS direct\\-routing cluster\n")
	b.WriteString(".SH SYNOPSIS\n.B lvsdr\n.I COMMAND\n[\\fIarguments\\fR] [\\fIflags\\fR]\n")
	b.WriteString(".SH DESCRIPTION\n")
	writeExample(&b, appHelp(app))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range app.Commands {
		if !c.Hidden {
			fmt.Fprintf(&b, ".SS lvsdr %s\n", roff(c.Name))
			writeExample(&b, commandHelp(c))
		}
	}
	b.WriteString(".SH FILES\n.TP\n.I " + defaultConfig + "\nthe cluster, the same on every host\n" +
		".TP\n.I /usr/share/doc/lvsdr/checks.md\nwhat the doctor's checks mean; also by \"lvsdr explain\"\n" +
		".SH SEE ALSO\n.BR ipvsadm (8),\n.BR systemctl (1)\n")
	return b.String()
}

// writeExample writes text as it stands.
func writeExample(b *strings.Builder, text string) {
	b.WriteString(".nf\n")
	for line := range strings.Lines(text) {
		b.WriteString(roff(strings.TrimRight(line, "\n")) + "\n")
	}
	b.WriteString(".fi\n")
}

// roff has text mean itself (groff_man(7)).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\`", "^", `\(ha`, "~", `\(ti`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
