package lvsdrtest

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	conf "github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// vrrp is the keepalived of lvsdr's own in a world that moves the VIPs: it is master at
// once, unless the world has another one.
type vrrp struct {
	running bool
	other   bool           // another director is the master
	carried []conf.Carried // of the configuration that it has read
}

type vrrpEngine struct{ *state }

func (s vrrpEngine) Version(ctx context.Context) (string, error) {
	return keepalivedEngine(s).Version(ctx)
}

func (s vrrpEngine) Test(ctx context.Context, config []byte) error {
	return keepalivedEngine(s).Test(ctx, config)
}

func (s vrrpEngine) Running(context.Context) (bool, error) { return s.vrrp.running, nil }

func (s vrrpEngine) Start(context.Context) error { return s.startVRRP() }

func (s vrrpEngine) Reload(context.Context) error {
	if !s.vrrp.running {
		return fmt.Errorf("keepalived: %w", os.ErrProcessDone)
	}
	return s.readVRRP()
}

// Quiet takes no time here.
func (s vrrpEngine) Quiet(context.Context, []netip.AddrPort) (answer func(time.Duration), err error) {
	return func(time.Duration) {}, nil
}

func (s vrrpEngine) Stop(context.Context) error {
	s.stopVRRP()
	return nil
}

func (s *state) startVRRP() error {
	switch {
	case s.watch.uninstall:
		return fmt.Errorf("keepalived is not installed: %w", fs.ErrNotExist)
	case s.vrrp.running:
		return fmt.Errorf("keepalived: daemon is already running: %w", syscall.EEXIST)
	}
	s.vrrp.running = true
	return s.readVRRP()
}

func (s *state) stopVRRP() {
	s.giveUp(s.vrrp.carried)
	s.vrrp.running, s.vrrp.carried = false, nil
}

// readVRRP reads the configuration, and brings or takes away what it is about.
func (s *state) readVRRP() error {
	text, err := files{s}.ReadFile(host.VRRPConf)
	if err != nil {
		return err
	}
	c, err := conf.Parse(host.VRRPConf, text, conf.Options{})
	if err != nil {
		return err
	}
	before := s.vrrp.carried
	s.vrrp.carried = c.Carried()
	s.giveUp(slices.DeleteFunc(slices.Clone(before), func(b conf.Carried) bool { return slices.Contains(s.vrrp.carried, b) }))
	if s.vrrp.other {
		s.giveUp(s.vrrp.carried)
		return nil
	}
	for _, v := range s.vrrp.carried {
		a := host.Address{Prefix: v.Prefix, Link: v.Link, Label: v.Label}
		if v.Prefix.Addr().Is6() {
			a.NoDAD, a.Deprecated = true, true
		}
		if err := s.ensureAddress(a); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) giveUp(carried []conf.Carried) {
	s.addresses = slices.DeleteFunc(s.addresses, func(a host.Address) bool {
		return slices.ContainsFunc(carried, func(c conf.Carried) bool { return c.Prefix == a.Prefix && c.Link == a.Link })
	})
}

// runVRRP is "vrrp start", which is how [World.Dump] tells that lvsdr's runs, "vrrp stop",
// "vrrp kill", after which what it brought stays, and "vrrp other" and "vrrp alone": another
// director is the master, or none.
func (s *state) runVRRP(words []string) error {
	if len(words) != 1 {
		return errUsage
	}
	switch words[0] {
	case "start":
		return s.startVRRP()
	case "stop":
		s.stopVRRP()
	case "kill":
		s.vrrp.running, s.vrrp.carried = false, nil
	case "other", "alone":
		s.vrrp.other = words[0] == "other"
		if s.vrrp.running {
			return s.readVRRP()
		}
	default:
		return errUsage
	}
	return nil
}

func (s *state) dumpVRRP() []string {
	var lines []string
	if s.vrrp.other {
		lines = append(lines, "vrrp other")
	}
	if s.vrrp.running {
		lines = append(lines, "vrrp start")
	}
	return lines
}
