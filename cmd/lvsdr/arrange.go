package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
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
		case hasValue && !takesValue(f):
			return yesOrNo(f.Names()[0], value)
		case hasValue:
			return []string{"--" + f.Names()[0] + "=" + value}, "", nil
		case takesValue(f):
			return nil, f.Names()[0], nil
		}
		return []string{"--" + f.Names()[0]}, "", nil
	}
	if strings.HasPrefix(word, "--") || lookup(known, name[:min(1, len(name))]) == nil {
		return nil, "", unknownFlag(word, known)
	}
	return spellCluster(word, known)
}

// yesOrNo is a flag that takes no value, with one.
func yesOrNo(name, value string) (flags []string, wants string, err error) {
	if _, err := strconv.ParseBool(value); err != nil {
		return nil, "", usage("--%s %q: true or false is wanted, or nothing", name, value)
	}
	return []string{"--" + name + "=" + value}, "", nil
}

// spellCluster writes out single letters behind one dash: "-nq", "-rADDR".
func spellCluster(word string, known []cli.Flag) (flags []string, wants string, err error) {
	for i := 1; i < len(word); i++ {
		f := lookup(known, word[i:i+1])
		if f == nil {
			return flags, "", unknownFlag(word, known)
		}
		name := f.Names()[0]
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
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
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
