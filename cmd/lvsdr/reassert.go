package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/lvsdr/toolkit/units"
)

// pause keeps systemd from undoing what a person changes on the running host alone,
// where that is not what the role's unit says: a teardown or a weight (no args), another
// set-up.
// systemd's own runs do not get here: they see no systemd from their sandbox.
func (s *session) pause(ctx context.Context, role string, args []string) error {
	if !s.sys.host().Runtime || s.sys.systemd == nil || !s.sys.systemd.Running() {
		return nil
	}
	unit, err := s.installedAs(role)
	if err != nil || args != nil && slices.Equal(unit.Args, args) {
		return nil // there is none that could, or it says the same
	}
	if err := units.Pause(ctx, s.sys.systemd); err != nil {
		return err
	}
	s.note("until %s is started again, systemd does not bring this host back to what the unit says", units.Name(role))
	return nil
}

// errUnitGone: a set-up is to do what the unit says, and there is none.
var errUnitGone = errors.New("no unit says what this host is")

// unitText is what the unit of a role says, for a set-up that systemd runs by itself.
func (s *session) unitText(c *cli.Command, role string) ([]byte, error) {
	switch {
	case role == "" || !c.Bool("runtime"):
		return nil, usage("--reassert wants the role, and --runtime")
	case isGiven(c):
		return nil, usage("--reassert: this host's unit says what it is to be")
	}
	text, err := s.sys.host().Files.ReadFile(step.UnitFile(role))
	if errors.Is(err, fs.ErrNotExist) {
		err = errUnitGone
	}
	return text, err
}

// outdated tells, with the lock held, that another lvsdr has been at work since the unit
// and the file were read: what they said then is not to come back.
func (s *session) outdated(p *patient) bool {
	unit, err := s.sys.host().Files.ReadFile(step.UnitFile(p.role.Name))
	if err != nil || !bytes.Equal(unit, p.unitText) {
		return true
	}
	if p.src.file == "" {
		return false
	}
	now, err := s.sys.readFile(p.src.file)
	return err != nil || !bytes.Equal(now, p.src.text)
}

// settled looks again, a moment after a set-up that systemd has run by itself: a network
// manager writes what it has made before it takes away what is not its own. What is written
// meanwhile starts the next run. Err is how the first look ended.
func (s *session) settled(ctx context.Context, c *cli.Command, err error) error {
	if err == nil && s.sys.settle(ctx) {
		err = s.lookAgain(ctx, c)
	}
	if errors.Is(err, host.ErrLocked) || errors.Is(err, errUnitGone) {
		return nil // the next run sees to it, where there is one
	}
	return err
}

// aSecond waits, and tells whether nobody asked for the end.
func aSecond(ctx context.Context) bool {
	select {
	case <-time.After(time.Second):
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *session) lookAgain(ctx context.Context, c *cli.Command) error {
	p, err := s.prepare(ctx, c)
	if err != nil {
		return err
	}
	return s.change(ctx, p.host, func(ctx context.Context, h *host.Host) error { return s.bring(ctx, p, h) })
}
