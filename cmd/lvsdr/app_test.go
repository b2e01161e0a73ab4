package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// The table names each command as the command names itself.
func TestMakers(t *testing.T) {
	for _, m := range makers() {
		if name := m.make(&session{}).Name; name != m.name {
			t.Errorf("%s makes %s", m.name, name)
		}
	}
}

// A command line that begins with a command means the same by the flags of that command
// as by those of all.
func TestUnderstandIsAsWithAllCommands(t *testing.T) {
	s := &session{}
	all := allFlags(newApp(s))
	for _, m := range makers() {
		for _, f := range spellings(all) {
			args := []string{m.name, f, "word"}
			_, words, err := understand(s, args)
			want, wantErr := arrange(args, all)
			if !slices.Equal(words, want) || (err == nil) != (wantErr == nil) {
				t.Errorf("%q: %q, %v; by all flags %q, %v", args, words, err, want, wantErr)
			}
		}
	}
}

// spellings are ways to write each flag, right and wrong ones.
func spellings(flags []cli.Flag) []string {
	var all []string
	for _, f := range flags {
		for _, name := range f.Names() {
			all = append(all, "-"+name, "--"+name, "--"+name+"=1", "-"+name+"=1", "-n"+name, "-"+name+"q", "-"+strings.ToUpper(name))
		}
	}
	return append(all, "--", "-", "--no-such-flag")
}
