package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// watched keeps the virtual services with a keepalived of lvsdr's own, which takes a real
// server out of the table while its check fails.
//
// Whatever changes, lvsdr ends that keepalived, changes the table itself, in place, and
// starts it anew: it leaves the table as it is when it ends, and takes over what it finds
// there. Two never write at once, no connection notices, and the table is mended too,
// which a reload never does: that compares a configuration with the one before. New real
// servers alone are left to keepalived, which adds them when they have passed their check.
type watched struct {
	services
	config cluster.Config
}

// engineEdit is the Data of a change of keepalived itself.
type engineEdit int

const (
	writeConf engineEdit = iota
	start
	end
	removeConf
)

// keepalivedNow is what there is of lvsdr's keepalived.
type keepalivedNow struct {
	there   bool // its configuration
	left    bool // what a killed write has left of one
	text    []byte
	running bool
}

func lookAtKeepalived(ctx context.Context, h *host.Host) (now keepalivedNow, err error) {
	now.text, err = h.Files.ReadFile(host.KeepalivedConf)
	now.there = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		now.left, err = host.Exists(h.Files, host.TemporaryName(host.KeepalivedConf))
	}
	switch {
	case err != nil:
		return now, err
	case h.Keepalived != nil:
		now.running, err = h.Keepalived.Running(ctx)
		return now, err
	case now.there:
		return now, fmt.Errorf("keepalived: %w", host.ErrNoView)
	}
	return now, nil
}

// KeepalivedRuns tells whether the engine of this host is lvsdr's keepalived, and whether
// it runs.
func KeepalivedRuns(ctx context.Context, h *host.Host) (engine, running bool, err error) {
	now, err := lookAtKeepalived(ctx, h)
	return now.there || now.running, now.running, err
}

// ends are the changes after which there is none. The table stays.
func (s *watched) ends(h *host.Host, now keepalivedNow) []Change {
	var changes []Change
	if now.running {
		changes = append(changes, s.change(h, end, Change{Op: Remove, Object: "keepalived"}))
	}
	if now.there || now.left {
		changes = append(changes, s.change(h, removeConf, Change{Op: Remove, Object: host.KeepalivedConf}))
	}
	return changes
}

// change makes one by itself when it is asked to.
func (s *watched) change(h *host.Host, e engineEdit, c Change) Change {
	c.Step, c.Data = Service, e
	c.Do = func(ctx context.Context) error {
		_, err := s.Apply(ctx, h, []Change{c})
		return err
	}
	return c
}

func (s *watched) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	now, err := lookAtKeepalived(ctx, h)
	if err != nil {
		return nil, err
	}
	table, err := s.services.Plan(ctx, h, want)
	if err != nil {
		return nil, err
	}
	if now.running {
		for i := range table {
			s.meanwhile(h, &table[i])
		}
	}
	if want == Absent || !s.config.Keepalived() {
		if ends := s.ends(h, now); len(ends) > 0 {
			table = append(ends, table...)
		}
		return table, nil
	}
	if table, err = s.withoutSick(ctx, h, table, now); err != nil {
		return nil, err
	}
	return s.engine(ctx, h, now, table)
}

// meanwhile has a change of the table, when it is made by itself, made while keepalived
// does not look.
func (s *watched) meanwhile(h *host.Host, c *Change) {
	do := c.Do
	c.Do = func(ctx context.Context) error {
		if err := h.Keepalived.Stop(ctx); err != nil {
			return err
		}
		return errors.Join(do(ctx), h.Keepalived.Start(ctx))
	}
}

// engine adds what is due of keepalived itself, before what waits for others.
func (s *watched) engine(ctx context.Context, h *host.Host, now keepalivedNow, table []Change) ([]Change, error) {
	if h.Keepalived == nil {
		return nil, fmt.Errorf("engine keepalived: %w", host.ErrNoView)
	}
	at := slices.IndexFunc(table, func(c Change) bool { return c.Late })
	if at < 0 {
		at = len(table)
	}
	want := s.render(nil)
	var own []Change
	switch {
	case !now.there:
		own = append(own, s.change(h, writeConf, Change{Op: Add, Object: host.KeepalivedConf, To: s.checks()}))
	case !bytes.Equal(now.text, want):
		own = append(own, s.change(h, writeConf, Change{Op: Set, Object: host.KeepalivedConf, To: s.checks()}))
	}
	if !now.running {
		own = append(own, s.change(h, start, Change{Op: Add, Object: "keepalived", To: "looks after the real servers"}))
	}
	if len(own) > 0 {
		if err := s.scripts(ctx, h); err != nil {
			return nil, err
		}
		if err := s.taken(ctx, h); err != nil {
			return nil, err
		}
	}
	return slices.Concat(table[:at], own, table[at:]), nil
}

// scripts fails where a check's script cannot be run, or others may write it: keepalived
// then leaves the check out without a word, and the real server in.
func (s *watched) scripts(ctx context.Context, h *host.Host) error {
	for _, x := range s.config.Scripts() {
		err := h.Keepalived.Script(ctx, x.Program, x.User)
		if err == nil {
			continue
		}
		cure := "correct its path, or bring it there"
		if errors.Is(err, fs.ErrPermission) {
			cure = "chown root " + x.Program + " && chmod 755 " + x.Program + ", and likewise its folders"
		}
		return fmt.Errorf("services[%d].check.script: %w: %s (it decides who serves, so that it is to be root's alone, and %s's to run)", x.Service, err, cure, x.User)
	}
	return nil
}

// enough fails where keepalived is older than what is asked of it, by the key that asks.
// Of one that says no version keepalived -t is to tell.
func enough(ctx context.Context, c cluster.Config, of interface {
	Version(ctx context.Context) (string, error)
}) error {
	text, err := of.Version(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoKeepalived, err)
	}
	if err != nil {
		return err
	}
	v, ok := keepalived.ParseVersion(text)
	if !ok {
		return nil
	}
	lacks := v.Lacks(keepalived.Needs(c))
	if len(lacks) == 0 {
		return nil
	}
	var all []string
	for _, n := range lacks {
		all = append(all, fmt.Sprintf("%s: %s is there from %v on", n.Path, n.What, n.Since))
	}
	return fmt.Errorf("keepalived %v is installed, and %w: %s", v, ErrOldKeepalived, strings.Join(all, "; "))
}

// taken fails where keepalived would not take the configuration.
func (s *watched) taken(ctx context.Context, h *host.Host) error {
	if err := enough(ctx, s.config, h.Keepalived); err != nil {
		return fmt.Errorf("engine keepalived: %w", err)
	}
	text := s.configuration(nil).AsRoot().Render()
	err := h.Keepalived.Test(ctx, text)
	var refused *host.KeepalivedError
	if errors.As(err, &refused) {
		return &host.KeepalivedError{Lines: keepalived.Origins(text, refused.Lines)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("engine keepalived: %w: %w", ErrNoKeepalived, err)
	}
	return err
}

// render is the configuration, for a table without the real servers that isNew tells of.
func (s *watched) render(isNew func(netip.Addr, cluster.Port, netip.Addr) bool) []byte {
	return s.configuration(isNew).Render()
}

func (s *watched) configuration(isNew func(netip.Addr, cluster.Port, netip.Addr) bool) keepalived.Config {
	if isNew == nil {
		isNew = func(netip.Addr, cluster.Port, netip.Addr) bool { return false }
	}
	return keepalived.Engine(s.config, "the cluster's description", isNew)
}

// checks tells how the real servers are looked after, each way once.
func (s *watched) checks() string {
	var all []string
	for _, v := range s.config.Services {
		for _, p := range v.AllPorts() {
			if text := v.Check.For(p).String(); !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	const shown = 3
	if more := len(all) - shown; more > 0 {
		all = append(all[:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, ", ")
}

// withoutSick leaves out what is no difference: a real server that a running keepalived
// knows and has taken out, or has given weight 0, and the sorry server while it stands in
// for all of them. One that keepalived believes to be there is one that somebody else has
// taken out.
func (s *watched) withoutSick(ctx context.Context, h *host.Host, table []Change, now keepalivedNow) ([]Change, error) {
	var known map[member]bool
	if now.running {
		known = knownTo(now.text)
	}
	mayBeIts := func(c Change) bool {
		e := c.Data.(*serviceEdit)
		return (e.command.Op == ipvs.AddDestination || s.returns(e)) && known[e.member()]
	}
	var seen belief
	if slices.ContainsFunc(table, mayBeIts) {
		var err error
		if seen, err = s.believed(ctx, h); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(table, func(c Change) bool {
		e := c.Data.(*serviceEdit)
		return mayBeIts(c) && !seen.lost(e) || s.standsIn(e)
	}), nil
}

func (e *serviceEdit) member() member { return member{e.target.ID, e.command.Destination.Addr} }

// returns tells whether the edit gives back its weight, and nothing else, to a real server
// that keepalived may have given weight 0.
func (s *watched) returns(e *serviceEdit) bool {
	if e.command.Op != ipvs.SetDestination || e.live == nil || e.target.back || !s.inhibits(e.target.ID) {
		return false
	}
	want := e.command.Destination
	i := slices.IndexFunc(e.live.Destinations, func(d ipvs.Destination) bool { return sameServer(&d, want) })
	if i < 0 || e.live.Destinations[i].Weight != 0 || want.Weight <= 0 {
		return false
	}
	idle := *want
	idle.Weight = 0
	return sameDestination(&idle, &e.live.Destinations[i])
}

// standsIn tells whether the edit takes out a sorry server that is alone in taking
// connections.
func (s *watched) standsIn(e *serviceEdit) bool {
	return e.command.Op == ipvs.RemoveDestination && s.described(e.target.ID).SorryServer == e.command.Destination.Addr &&
		!slices.ContainsFunc(e.live.Destinations, func(d ipvs.Destination) bool {
			return d.Weight > 0 && slices.ContainsFunc(e.target.Destinations, func(w ipvs.Destination) bool { return sameServer(&d, &w) })
		})
}

// belief is what keepalived believes of the table, and what is there.
type belief struct {
	held  map[member]host.HeldServer
	there map[member]int32 // weights
}

// believed reads the table last: what keepalived has just put in is there.
func (s *watched) believed(ctx context.Context, h *host.Host) (b belief, err error) {
	held, err := h.Keepalived.Held(ctx)
	if err != nil {
		return b, err
	}
	b.held = map[member]host.HeldServer{}
	for _, x := range held {
		b.held[member{x.Service, x.Server.Addr()}] = x
	}
	b.there, err = s.inTable(ctx, h)
	return b, err
}

// lost tells whether keepalived believes that what the edit would do is done.
func (b belief) lost(e *serviceEdit) bool {
	x, held := b.held[e.member()]
	weight, there := b.there[e.member()]
	if e.command.Op == ipvs.AddDestination {
		return held && !there
	}
	return held && !x.Inhibited && weight == 0
}

// A member is a real server of a service.
type member struct {
	service ipvs.ID
	server  netip.Addr
}

// knownTo are the real servers of a configuration of keepalived; none where it cannot be
// read.
func knownTo(text []byte) map[member]bool {
	known := map[member]bool{}
	conf, err := keepalived.Parse(host.KeepalivedConf, text, keepalived.Options{})
	if err != nil {
		return known
	}
	c, _ := conf.Cluster()
	for _, v := range c.VirtualServices() {
		for _, d := range v.Destinations {
			known[member{v.ID, d.Addr}] = true
		}
	}
	return known
}

// described is the service of the configuration that is at an address and port of the
// table; an empty one where none is.
func (s *watched) described(id ipvs.ID) cluster.Service {
	for _, v := range s.config.Services {
		for _, p := range v.AllPorts() {
			if id == (ipvs.ID{Addr: v.VIP, Port: p.Number, Protocol: p.Protocol}) {
				return v
			}
		}
	}
	return cluster.Service{}
}

// inhibits tells whether a real server of a service keeps its place, with weight 0, while
// its check fails.
func (s *watched) inhibits(id ipvs.ID) bool { return s.config.Keepalived() && s.described(id).Inhibit }
