package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func rootFlag() cli.Flag {
	return &cli.StringFlag{Name: "root", Category: hostFlags,
		Usage: "`DIR` write into the image whose tree is there, instead of this host; --config is a file inside it"}
}

// enterImage has the rest of the command be about the tree of --root: the files are its
// files, and of this host nothing is looked at.
func (s *session) enterImage(c *cli.Command) error {
	if !c.IsSet("root") {
		return nil
	}
	root := c.String("root")
	switch {
	case root == "":
		return usage("--root needs the directory that the image's tree is in")
	case c.Bool("runtime"):
		return usage("--root does not go with --runtime: nothing of an image runs")
	case !filepath.IsAbs(root):
		root = filepath.Join(s.sys.dir, root)
	}
	image, err := lvsdr.Image(root)
	if err != nil {
		return usage("--root: %w", err)
	}
	sys := *s.sys
	sys.host, sys.systemd, sys.image, sys.dir = func() *host.Host { return image }, nil, root, "/"
	sys.readFile = image.Files.ReadFile
	sys.capabilities = func() (uint64, error) { return ^uint64(0), nil } // writing files is all
	sys.program = programIn(image.Files.ReadDir, sys.program)
	s.sys = &sys
	return nil
}

// inside tells that a file is one of the image.
func (s *session) inside() string {
	if s.sys.image == "" {
		return ""
	}
	return " inside " + s.sys.image
}

// programs is where images have the command.
var programs = []string{"/usr/bin/lvsdr", "/usr/sbin/lvsdr", "/usr/local/bin/lvsdr", "/usr/local/sbin/lvsdr"}

// programIn is where the image has the command; where it has none yet, where the
// package would put it.
func programIn(readDir func(string) ([]string, error), here string) string {
	for _, name := range append([]string{here}, programs...) {
		if names, err := readDir(path.Dir(name)); err == nil && slices.Contains(names, path.Base(name)) {
			return name
		}
	}
	return programs[0]
}

// roleOfImage is the role whose marks the image has. Addresses tell nothing of it: it
// has none.
func (s *session) roleOfImage() (string, error) {
	name, err := s.roleHere()
	if err == nil && name == "" {
		err = usage("--root: name the role, director or realserver: an image has no addresses to find it by")
	}
	return name, err
}

// warnOfImage tells what will be in the way of the role when the image boots.
func (s *session) warnOfImage() error {
	warn := func(format string, args ...any) {
		s.report.Warnings = append(s.report.Warnings, fmt.Sprintf(format, args...))
	}
	names, err := s.sys.host().Files.ReadDir(path.Dir(s.sys.program))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !slices.Contains(names, path.Base(s.sys.program)) {
		warn("the image has no %s, which the unit runs at boot: install it there", s.sys.program)
	}
	settings, err := boot.ReadSysctls(s.sys.host().Files)
	if err != nil {
		return err
	}
	ours, err := step.SysctlDropIn(s.sys.host(), s.report.Role)
	if err != nil {
		return err
	}
	for _, want := range ours.Sysctls(s.report.Role) {
		if last, ok := settings.Last(want.Key); ok && !want.Serves(last.Value) {
			warn("%s:%d sets %s = %s after %s", last.File, last.Line, host.SysctlName(want.Key), last.Value, step.DropInFile(s.report.Role))
		}
	}
	return nil
}
