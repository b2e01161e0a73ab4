package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// Set with -ldflags "-X main.version=v1.2.3 -X main.commit=… -X main.date=…";
// without it they are what the Go toolchain wrote into the binary.
var version, commit, date string

func versionCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the version, the commit and the platform",
		Flags:     []cli.Flag{outputFlag()},
		UsageText: "lvsdr version",
		Action:    s.version,
	}
}

// build is what is known about this binary.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (s *session) version(ctx context.Context, c *cli.Command) error {
	if err := noArguments(c); err != nil {
		return err
	}
	b := thisBuild()
	if s.json {
		return s.document(b)
	}
	line := "lvsdr " + b.Version
	if b.Commit != "" {
		line += " (" + b.Commit
		if b.Date != "" {
			line += ", " + b.Date
		}
		line += ")"
	}
	s.printf("%s %s %s", line, b.Go, b.Platform)
	return nil
}

func thisBuild() build {
	b := build{version, commit, date, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	if !ok || b.Commit != "" {
		return b
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			b.Commit = setting.Value[:min(12, len(setting.Value))] + b.Commit
		case setting.Key == "vcs.time":
			b.Date = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			b.Commit += "+changes"
		}
	}
	return b
}

// noArguments refuses words behind a command that has none, and checks --output, which
// may have more formats than the usual two.
func noArguments(c *cli.Command, formats ...string) error {
	if c.NArg() > 0 {
		return usage("unexpected argument %q: lvsdr %s has none", c.Args().First(), c.Name)
	}
	return checkOutput(c, formats...)
}
