package lvsdrtest

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	conf "github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// watch is the keepalived of lvsdr's own in a world: it looks after the table by the
// configuration that it has read when it was started, as far as that one has what
// [conf.Engine] writes. Whose check fails is what a test says.
type watch struct {
	running   bool
	conf      []byte // that it has read
	sick      map[netip.Addr]bool
	idle      map[inhibited]bool // those that it has given weight 0
	uninstall bool
	version   string // empty: keepalivedVersion
}

// inhibited is a real server of a service.
type inhibited struct {
	service ipvs.ID
	server  netip.Addr
}

type keepalivedEngine struct{ *state }

// WithoutKeepalived makes the world one in which the program is not installed.
func (w *World) WithoutKeepalived() *World {
	_ = w.do(func(s *state) error {
		s.watch.uninstall = true
		return nil
	})
	return w
}

// keepalivedVersion is that of Debian 12.
const keepalivedVersion = "2.2.7"

// WithKeepalived makes the world one in which the program is of a version: "2.0.10".
func (w *World) WithKeepalived(version string) *World {
	_ = w.do(func(s *state) error {
		s.watch.version = version
		return nil
	})
	return w
}

func (s keepalivedEngine) Version(context.Context) (string, error) {
	if s.watch.uninstall {
		return "", fmt.Errorf("keepalived is not installed: %w", fs.ErrNotExist)
	}
	return "Keepalived v" + cmp.Or(s.watch.version, keepalivedVersion) + " (01/16,2022)\n", nil
}

func (s keepalivedEngine) Test(_ context.Context, config []byte) error {
	if s.watch.uninstall {
		return fmt.Errorf("keepalived is not installed: %w", fs.ErrNotExist)
	}
	if _, err := conf.Parse("", config, conf.Options{}); err != nil || len(config) == 0 {
		return &host.KeepalivedError{Lines: []string{fmt.Sprint(err)}}
	}
	return nil
}

// Script looks at the rights of the program alone, not at its folders'. The users are
// root and nobody.
func (s keepalivedEngine) Script(_ context.Context, program, user string) error {
	at, err := s.resolve("open", program, true)
	n, ok := s.nodes[at]
	switch {
	case err != nil:
		return err
	case user != "root" && user != "nobody":
		return fmt.Errorf("%s is no user of this host: %w", user, fs.ErrNotExist)
	case !ok:
		return pathError("open", program, syscall.ENOENT)
	case n.mode.Perm()&0o002 != 0:
		return fmt.Errorf("others may write %s (%v): %w", program, n.mode.Perm(), fs.ErrPermission)
	case n.mode.Perm()&0o001 == 0:
		return fmt.Errorf("%s may not run %s (%v): %w", user, program, n.mode.Perm(), fs.ErrPermission)
	}
	return nil
}

func (s keepalivedEngine) Running(context.Context) (bool, error) { return s.watch.running, nil }

// Held are all whose checks pass: whatever somebody does to the table, it does not notice.
func (s keepalivedEngine) Held(context.Context) (held []host.HeldServer, err error) {
	if !s.watch.running {
		return nil, nil
	}
	entries, err := s.watchedEntries()
	for _, e := range entries {
		for _, d := range e.Destinations {
			idle := s.watch.idle[inhibited{e.ID, d.Addr}]
			if !s.watch.sick[d.Addr] || idle {
				held = append(held, host.HeldServer{Service: e.ID, Server: netip.AddrPortFrom(d.Addr, d.Port), Inhibited: idle})
			}
		}
	}
	return held, err
}

func (s keepalivedEngine) Start(context.Context) error { return s.startKeepalived() }

func (s keepalivedEngine) Stop(context.Context) error {
	s.watch.running, s.watch.conf, s.watch.idle = false, nil, nil
	return nil
}

func (s *state) startKeepalived() error {
	text, err := files{s}.ReadFile(host.KeepalivedConf)
	switch {
	case s.watch.uninstall:
		return fmt.Errorf("keepalived is not installed: %w", fs.ErrNotExist)
	case err != nil:
		return err
	case s.watch.running:
		return fmt.Errorf("keepalived: daemon is already running: %w", syscall.EEXIST)
	case !s.loaded("ip_vs"):
		return host.ErrNoIPVS
	}
	s.watch.running, s.watch.conf = true, text
	return s.lookAfter(true)
}

// A watchedEntry is a service of the configuration that keepalived has read.
type watchedEntry struct {
	ipvs.Entry
	inhibits bool
	alpha    map[netip.Addr]bool // real servers that get their weight with their check
}

func (s *state) watchedEntries() (all []watchedEntry, err error) {
	c, err := conf.Parse(host.KeepalivedConf, s.watch.conf, conf.Options{})
	if err != nil {
		return nil, err
	}
	described, _ := c.Cluster()
	for _, service := range described.Services {
		for _, e := range (cluster.Config{Services: []cluster.Service{service}}).VirtualServices() {
			all = append(all, watchedEntry{e, service.Inhibit, alphaOf(c, e.ID)})
		}
	}
	return all, nil
}

// alphaOf are the real servers of a virtual_server that have alpha.
func alphaOf(c conf.Config, id ipvs.ID) map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, d := range c.Directives {
		if d.Keyword() != "virtual_server" || d.Words[1] != id.Addr.String() || d.Words[2] != strconv.Itoa(int(id.Port)) {
			continue
		}
		for _, in := range d.Block {
			if in.Keyword() == "real_server" && slices.ContainsFunc(in.Block, func(x conf.Directive) bool { return x.Keyword() == "alpha" }) {
				all[netip.MustParseAddr(in.Words[1])] = true
			}
		}
	}
	return all
}

// lookAfter does what the checks come to. At the start what is there already stays as it
// is, also when it is otherwise than the configuration says (ipvs_talk in
// keepalived/check/ipvswrapper.c takes EEXIST for done).
func (s *state) lookAfter(atStart bool) error {
	entries, err := s.watchedEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		svc := s.findService(e.ID)
		if svc == nil && atStart {
			if err := s.addService(asWritten(e.Service)); err != nil {
				return err
			}
			svc = s.findService(e.ID)
		}
		if svc == nil {
			continue
		}
		for _, d := range e.Destinations {
			if err := s.lookAfterOne(svc, e, d, atStart); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *state) lookAfterOne(svc *service, e watchedEntry, d ipvs.Destination, atStart bool) error {
	i := slices.IndexFunc(svc.destinations, func(x ipvs.Destination) bool { return x.Addr == d.Addr && x.Port == d.Port })
	id := inhibited{e.ID, d.Addr}
	sick, there, idle := s.watch.sick[d.Addr], i >= 0, s.watch.idle[id]
	switch {
	case sick && e.inhibits && !idle:
		if s.watch.idle == nil {
			s.watch.idle = map[inhibited]bool{}
		}
		s.watch.idle[id] = true
		if there {
			svc.destinations[i].Weight = 0
			return nil
		}
		d.Weight = 0
		return s.addDestination(svc, d)
	case sick && !e.inhibits && there:
		svc.destinations = slices.DeleteFunc(svc.destinations, func(x ipvs.Destination) bool { return x.Addr == d.Addr })
	case !sick && there && (idle || atStart && e.inhibits && e.alpha[d.Addr]):
		delete(s.watch.idle, id)
		svc.destinations[i].Weight = d.Weight
	case !sick && !there:
		return s.addDestination(svc, d)
	}
	return nil
}

// runKeepalived is "keepalived start", which is how [World.Dump] tells that lvsdr's runs,
// "keepalived kill", and "keepalived check ADDRESS fails|passes".
func (s *state) runKeepalived(words []string) error {
	switch {
	case len(words) == 1 && words[0] == "start":
		return s.startKeepalived()
	case len(words) == 1 && words[0] == "kill":
		return keepalivedEngine{s}.Stop(context.Background())
	case len(words) != 3 || words[0] != "check":
		return errUsage
	}
	addr, err := netip.ParseAddr(words[1])
	if err != nil {
		return err
	}
	if s.watch.sick == nil {
		s.watch.sick = map[netip.Addr]bool{}
	}
	delete(s.watch.sick, addr)
	if words[2] == "fails" {
		s.watch.sick[addr] = true
	}
	if !s.watch.running {
		return nil
	}
	return s.lookAfter(false)
}

func (s *state) dumpKeepalived() []string {
	var lines []string
	for addr := range s.watch.sick {
		lines = append(lines, "keepalived check "+addr.String()+" fails")
	}
	slices.Sort(lines)
	if s.watch.running {
		lines = append(lines, "keepalived start")
	}
	return lines
}
