package main

import (
	"context"
	"embed"
	"slices"

	"github.com/urfave/cli/v3"
)

//go:embed completion
var completionScripts embed.FS

var shells = []string{"bash", "zsh", "fish"}

func completionCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: `The script completes commands, roles, flags and their values. To have it in every
shell, write it where the shell looks for it:
    bash    /usr/share/bash-completion/completions/lvsdr
    zsh     a folder of $fpath, as _lvsdr
    fish    /etc/fish/completions/lvsdr.fish`,
		UsageText: `source <(lvsdr completion bash)
lvsdr completion fish | source`,
		Action: func(ctx context.Context, c *cli.Command) error {
			shell := c.Args().First()
			if c.NArg() != 1 || !slices.Contains(shells, shell) {
				return usage("lvsdr completion needs one shell: bash, zsh or fish")
			}
			script, err := completionScripts.ReadFile("completion/lvsdr." + shell)
			if err != nil {
				return err
			}
			_, err = s.stdout.Write(script)
			return err
		},
	}
}
