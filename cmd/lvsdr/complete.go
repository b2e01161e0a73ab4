package main

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// completeCommand is what the completion scripts ask: given the words of a
// command line up to the cursor it prints the candidates for the last one, one a
// line, with a description behind a tab; ":files" asks for the names of files.
func completeCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:   "__complete",
		Usage:  "print the candidates for the last word of a command line",
		Hidden: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				return nil
			}
			app, last := newApp(s), len(words)-1
			for _, candidate := range s.candidates(ctx, app, words[:last], words[last]) {
				s.printf("%s", candidate)
			}
			return nil
		},
	}
}

// candidates returns those that begin with what is typed of the last word.
func (s *session) candidates(ctx context.Context, app *cli.Command, before []string, word string) []string {
	if len(before) == 0 {
		return matching(word, commandNames(app))
	}
	command := app.Command(before[0])
	if command == nil {
		return nil
	}
	flag, typed, joined := flagBeingGiven(command, before, word)
	switch {
	case flag != "":
		values := matching(typed, s.flagValues(ctx, command.Name, flag))
		for i := range values {
			if values[i] != files {
				values[i] = joined + values[i]
			}
		}
		return values
	case strings.HasPrefix(word, "-"):
		return matching(word, flagNames(command))
	}
	return matching(word, argumentsOf(app, command, before[1:]))
}

// flagBeingGiven is the flag whose value the last word is, "" when it is none,
// what is typed of the value, and what stands joined to it in the same word:
// "--output=js" is that, unless the shell cuts it into three words, as bash does.
func flagBeingGiven(command *cli.Command, before []string, word string) (flag, typed, joined string) {
	previous := before[len(before)-1]
	if previous == "=" && len(before) > 1 {
		previous = before[len(before)-2]
	}
	if word == "=" {
		word = ""
	}
	if name, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(name, "-") {
		previous, word, joined = name, value, name+"="
	}
	if !strings.HasPrefix(previous, "-") {
		return "", "", ""
	}
	f := lookup(command.Flags, strings.TrimLeft(previous, "-"))
	if f == nil || !takesValue(f) {
		return "", "", ""
	}
	return f.Names()[0], word, joined
}

// flagValues are the values worth offering; most flags have none to offer.
func (s *session) flagValues(ctx context.Context, command, flag string) []string {
	switch flag {
	case "config", "root":
		return []string{files}
	case "output":
		if command == "status" {
			return []string{"text", "json", prometheus}
		}
		return []string{"text", "json"}
	case "scheduler":
		return ipvs.Schedulers()
	case "scheduler-flags":
		return cluster.SchedulerFlags()
	case "firewall":
		return s.firewallNames()
	case "port":
		return []string{"80", "443", "53/udp"}
	case "interface", "arp-interface":
		return s.interfaces(ctx)
	case "interval":
		return []string{"1s", "5s", "1m"}
	case "only", "ignore":
		return checkCodes()
	}
	return nil
}

// checkCodes are the codes of the checks with what they ask.
func checkCodes() []string {
	var all []string
	for _, role := range examinedRoles {
		for _, c := range doctor.Checks(role) {
			if candidate := c.Code + "\t" + c.Title; !slices.Contains(all, candidate) {
				all = append(all, candidate)
			}
		}
	}
	return all
}

func (s *session) firewallNames() []string {
	names := []string{"auto"}
	for _, f := range s.sys.host().Firewalls {
		names = append(names, f.Name())
	}
	return append(names, "none")
}

func (s *session) interfaces(ctx context.Context) []string {
	links, err := s.sys.host().Links.Links(ctx)
	if err != nil {
		return nil // nothing to offer
	}
	var names []string
	for _, link := range links {
		if !link.Loopback {
			names = append(names, link.Name)
		}
	}
	return names
}

// argumentsOf are the words a command may have besides flags.
func argumentsOf(app *cli.Command, command *cli.Command, before []string) []string {
	var all []string
	switch command.Name {
	case "setup", "plan", "teardown", "units", "cloud-init", "doctor":
		all = []string{
			"director\tthe host with the VIP on the LAN, which forwards",
			"realserver\ta host that serves the VIP's connections",
		}
		if command.Name == "doctor" {
			all = append(all, "client\tany other host on the LAN")
		}
	case "import":
		if len(before) > 0 {
			return []string{files}
		}
		all = importers
	case "export":
		all = []string{"ipvsadm", "keepalived"}
	case "completion":
		all = shells
	case "explain":
		all = checkCodes()
	case "help":
		all = commandNames(app)
	}
	for _, word := range before {
		for _, candidate := range all {
			if name, _, _ := strings.Cut(candidate, "\t"); name == word {
				return nil // it is there already
			}
		}
	}
	return all
}

func commandNames(app *cli.Command) []string {
	var names []string
	for _, c := range app.Commands {
		if !c.Hidden {
			names = append(names, c.Name+"\t"+c.Usage)
		}
	}
	return names
}

func flagNames(command *cli.Command) []string {
	var names []string
	for _, f := range command.Flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		_, text := placeholder(d.GetUsage())
		names = append(names, "--"+f.Names()[0]+"\t"+text)
	}
	return append(names, "--help\texplain the command")
}

// files stands for the names of files, which the shell knows best.
const files = ":files"

// matching keeps the candidates that begin with what is typed.
func matching(typed string, candidates []string) []string {
	var out []string
	for _, c := range candidates {
		if c == files || strings.HasPrefix(c, typed) {
			out = append(out, c)
		}
	}
	return out
}
