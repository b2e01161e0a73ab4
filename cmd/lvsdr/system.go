package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/units"
)

// system is what the command needs of the world, so that its tests can run it
// against a host in memory.
type system struct {
	host     func() *host.Host // found out at the first call: many commands need none
	dir      string            // the working directory
	image    string            // the tree of the image that the command is about; empty: it is about this host
	readFile func(name string) ([]byte, error)
	// readInput reads standard input, within the bounds of a configuration.
	readInput func() ([]byte, error)
	// glob finds the files that a pattern names, hostname is this host's.
	glob     func(pattern string) ([]string, error)
	hostname func() string
	// rewriteFile replaces the text of a configuration.
	rewriteFile func(name string, data []byte) error
	getenv      func(key string) string
	terminal    bool          // stdout is one
	watched     bool          // stderr is one
	width       int           // of the terminal, 0 where there is none
	height      func() int    // of the terminal as it is now, 0 where there is none
	root        bool          // whether this is the superuser, be it of a user namespace
	program     string        // the absolute path of this command, for the unit
	systemd     units.Manager // nil where none runs

	// capabilities returns the effective ones, a bit each (capabilities(7)).
	capabilities func() (uint64, error)
	// writable fails when files cannot be made in the directory.
	writable func(dir string) error

	// fleeting are folders that are empty after a reboot.
	fleeting []string
	// writers tells who but root may change a file.
	writers func(name string) string

	waiting host.Waiting // for another lvsdr
	// settle waits until a network manager has done what it has begun, and tells whether
	// nobody asked for the end.
	settle func(context.Context) bool
	// unproved has set-up end with its last change.
	unproved bool
	// silence is after how long an exam under way is told on a terminal.
	silence time.Duration
}

// local is the machine this process runs on.
func local() *system {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/" // deleted under our feet: only relative names suffer
	}
	program, err := os.Executable()
	if err != nil {
		program = "/usr/bin/lvsdr"
	}
	return &system{
		host:         sync.OnceValue(lvsdr.Local),
		dir:          dir,
		readFile:     readRegular,
		readInput:    func() ([]byte, error) { return readBounded(os.Stdin, "standard input") },
		rewriteFile:  rewriteFile,
		glob:         filepath.Glob,
		hostname:     hostname,
		getenv:       os.Getenv,
		terminal:     isTerminal(os.Stdout),
		watched:      isTerminal(os.Stderr),
		width:        cmp.Or(sizeOf(os.Stdout).width, sizeOf(os.Stderr).width),
		height:       func() int { return sizeOf(os.Stdout).height },
		root:         os.Geteuid() == 0,
		program:      program,
		systemd:      units.Systemd(),
		capabilities: effectiveCapabilities,
		writable:     writable,
		writers:      linux.Writers,
		fleeting:     []string{"/tmp", "/run"},
		silence:      time.Second,
		settle:       aSecond,
	}
}

type size struct{ width, height int }

// sizeOf is that of a terminal, 0 of anything else.
func sizeOf(f *os.File) size {
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return size{}
	}
	return size{int(s.Col), int(s.Row)}
}

// hostname is empty where the host has none.
func hostname() string {
	name, _ := os.Hostname()
	return name
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
