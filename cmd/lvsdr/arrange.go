package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange rewrites a command line so that flags may stand anywhere, as the users
// of ip, kubeadm and systemctl expect, while the flag package stops at the first
// word that is none: "setup director --vip A" and "--vip A setup director" both
// become "setup --vip=A director". Every flag comes out as --name or
// --name=value, so "-rA", "-r A" and "-nq" work too. A word after "--" is no flag.
//
// With an error it returns what could be made out, for --output to be seen in it.
func arrange(args []string, known []cli.Flag) (words []string, err error) {
	var flags, names []string
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			names = append(names, args[i+1:]...)
			break
		}
		if len(word) < 2 || word[0] != '-' {
			names = append(names, word)
			continue
		}
		found, wants, e := spell(word, known)
		if wants != "" && i+1 < len(args) {
			i++
			found = append(found, "--"+wants+"="+args[i])
		} else if wants != "" {
			e = usage("--%s needs a value", wants)
		}
		flags = append(flags, found...)
		if err == nil {
			err = e
		}
	}
	command := ""
	if len(names) > 0 {
		command, names = names[0], names[1:]
	}
	return slices.Concat([]string{command}, flags, []string{"--"}, names), err
}

// spell writes the flags of one word out. Wants is the name of the flag whose
// value is the next word.
func spell(word string, known []cli.Flag) (flags []string, wants string, err error) {
	name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if f := lookup(known, name); f != nil {
		switch {
		case hasValue:
			return []string{"--" + namesOf(f)[0] + "=" + value}, "", nil
		case takesValue(f):
			return nil, namesOf(f)[0], nil
		}
		return []string{"--" + namesOf(f)[0]}, "", nil
	}
	if strings.HasPrefix(word, "--") || lookup(known, name[:min(1, len(name))]) == nil {
		return nil, "", unknownFlag(word, known)
	}
	return spellCluster(word, known)
}

// spellCluster writes out single letters behind one dash: "-nq", "-rADDR".
func spellCluster(word string, known []cli.Flag) (flags []string, wants string, err error) {
	for i := 1; i < len(word); i++ {
		f := lookup(known, word[i:i+1])
		if f == nil {
			return flags, "", unknownFlag(word, known)
		}
		name := namesOf(f)[0]
		if !takesValue(f) {
			flags = append(flags, "--"+name)
			continue
		}
		if value := strings.TrimPrefix(word[i+1:], "="); value != "" {
			return append(flags, "--"+name+"="+value), "", nil
		}
		return flags, name, nil
	}
	return flags, "", nil
}

func lookup(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(namesOf(f), name) {
			return f
		}
	}
	return nil
}

// namesOf is f.Names() without the two regular expressions that it runs for each of
// them, on every flag of every command.
func namesOf(f cli.Flag) []string {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.StringFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.StringSliceFlag:
		return append([]string{f.Name}, f.Aliases...)
	}
	return f.Names()
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func unknownFlag(word string, known []cli.Flag) error {
	word, _, _ = strings.Cut(word, "=")
	var names []string
	for _, f := range known {
		for _, n := range f.Names() {
			if len(n) > 1 {
				names = append(names, "--"+n)
			}
		}
	}
	e := usage("unknown flag %s", word)
	if near := nearest(word, names); near != "" {
		e.hint = fmt.Sprintf("did you mean %s?", near)
	}
	return e
}
