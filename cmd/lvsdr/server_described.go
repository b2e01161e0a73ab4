package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A servicePattern is the value of --service.
type servicePattern struct {
	vip  netip.Addr
	port *cluster.Port // nil: all of the VIP
}

// parsePattern reads VIP, VIP:PORT or VIP:PORT/PROTOCOL, an IPv6 VIP with a port in
// brackets.
func parsePattern(text string) (p servicePattern, err error) {
	if p.vip, err = netip.ParseAddr(text); err == nil {
		return p, nil
	}
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return p, fmt.Errorf("a VIP is wanted, or VIP:PORT, such as 10.10.10.22:80")
	}
	if p.vip, err = netip.ParseAddr(strings.Trim(text[:at], "[]")); err != nil {
		return p, fmt.Errorf("a VIP is wanted, or VIP:PORT, such as 10.10.10.22:80 or [fd00:10::22]:80")
	}
	port, err := cluster.ParsePort(text[at+1:])
	p.port = &port
	return p, err
}

// matches tells whether a service is meant; all are when none is named.
func (e *serverEdit) matches(id ipvs.ID) bool {
	return len(e.services) == 0 || slices.ContainsFunc(e.services, func(p servicePattern) bool {
		return p.vip == id.Addr && (p.port == nil || p.port.Number == id.Port && p.port.Protocol == id.Protocol)
	})
}

// inTable are the real servers of the live table that are meant.
func (e *serverEdit) inTable(ctx context.Context, h *host.Host) ([]step.ServerWeight, error) {
	services, err := h.IPVS.Services(ctx, ipvs.Plain)
	if err != nil {
		return nil, err
	}
	var all []step.ServerWeight
	for _, v := range services {
		if !e.matches(v.ID) {
			continue
		}
		have, err := h.IPVS.Destinations(ctx, v.ID, ipvs.Plain)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(have, func(d ipvs.Destination) bool { return d.Addr == e.Address }) {
			all = append(all, step.ServerWeight{Service: v.ID, RealServer: e.Address, Weight: e.weightInTable(), Gone: e.Remove})
		}
	}
	return all, nil
}

func (e *serverEdit) weightInTable() int32 {
	if e.Weight == nil || e.Drained != nil && *e.Drained {
		return 0
	}
	return int32(*e.Weight)
}

// editDescribed changes the table to what the changed description says, and writes the
// description.
func (s *session) editDescribed(c *cli.Command, edit *serverEdit, src source) ([]step.Step, error) {
	edit.patience = src.DrainTime()
	parts := edit.partly(src.Config)
	if len(parts) > 0 && src.Keepalived() {
		return nil, &hintError{fmt.Errorf("%s describes %s as one service, which keepalived looks after, and --service names some of its ports", src.where(), parts[0]),
			"name all of them; or describe them as services of their own"}
	}
	if len(parts) > 0 && !s.sys.host().Runtime {
		return nil, &hintError{fmt.Errorf("%s describes %s as one service, and --service names some of its ports", src.where(), parts[0]),
			"name all of them; or describe them as services of their own; or change the running table alone: --runtime"}
	}
	table := edit.ServerEdit
	table.Only = nil
	changed, _ := table.Apply(src.Config)
	edit.Only = func(v cluster.Service) bool { return edit.covers(v) != none }
	written, n := edit.Apply(src.Config)
	if n == 0 {
		if edit.Remove || edit.gone {
			edit.table = nil
			return nil, nil
		}
		return nil, edit.unknown(src.where())
	}
	if err := edit.alive(src, written); err != nil {
		return nil, err
	}
	edit.table = edit.wanted(src.Config, changed)
	steps := []step.Step{step.ServerWeights(edit.table)}
	if src.Keepalived() { // which is to know it too
		written.Drain = new(cluster.Duration) // it had its time
		steps[0] = step.DirectorServices(written)
	}
	if s.sys.host().Runtime {
		s.warnOfIdle(edit.table, changed)
		return steps, nil
	}
	if err := edit.last(src.Config); err != nil {
		return nil, err
	}
	s.warnOfIdle(edit.table, changed)
	last, err := s.rewrite(c, edit, src)
	return append(steps, last), err
}

// last fails where a service would be left without a real server, now or in the end.
func (e *serverEdit) last(c cluster.Config) error {
	if !e.gone && !e.Remove {
		return nil
	}
	left, _ := cluster.ServerEdit{Address: e.Address, Only: e.Only, Remove: true}.Apply(c)
	for _, v := range left.Services {
		if len(v.RealServers) == 0 {
			return &hintError{fmt.Errorf("%s is the last real server of a service of %s", e.Address, v.VIP),
				"add another one first, or set up without the service"}
		}
	}
	return nil
}

// warnOfIdle tells which services have no real server left that takes connections.
func (s *session) warnOfIdle(table []step.ServerWeight, changed cluster.Config) {
	for _, v := range changed.VirtualServices() {
		meant := slices.ContainsFunc(table, func(w step.ServerWeight) bool { return w.Service == v.ID })
		if meant && !slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool { return d.Weight > 0 }) {
			text := v.ID.String() + ": no real server takes new connections any more, clients are refused"
			if !slices.Contains(s.report.Warnings, text) {
				s.report.Warnings = append(s.report.Warnings, text)
			}
		}
	}
}

// alive fails where undrain would leave weight 0.
func (e *serverEdit) alive(src source, written cluster.Config) error {
	if e.Weight != nil || e.Drained == nil || *e.Drained || e.Remove {
		return nil
	}
	for _, v := range written.Services {
		for _, r := range v.RealServers {
			if sameServer(r, e.Address) && e.Only(v) && r.Weight != nil && *r.Weight == 0 {
				return &hintError{fmt.Errorf("%s describes %s with weight 0", src.where(), e.Address),
					"say which it is to have: " + host.ShellLine("lvsdr", "weight", e.Address.String()) + " N"}
			}
		}
	}
	return nil
}

// How much of a service of the description is meant.
const (
	none = iota
	some
	whole
)

func (e *serverEdit) covers(v cluster.Service) int {
	meant, ports := 0, v.AllPorts()
	for _, p := range ports {
		if e.matches(ipvs.ID{Addr: v.VIP, Port: p.Number, Protocol: p.Protocol}) {
			meant++
		}
	}
	switch meant {
	case 0:
		return none
	case len(ports):
		return whole
	}
	return some
}

// partly are the services that have the real server and of which some ports are meant.
func (e *serverEdit) partly(c cluster.Config) (all []netip.Addr) {
	for _, v := range c.Services {
		has := slices.ContainsFunc(v.RealServers, func(r cluster.RealServer) bool { return sameServer(r, e.Address) })
		if has && e.covers(v) == some {
			all = append(all, v.VIP)
		}
	}
	return all
}

// wanted is what the description comes to in the table, of what is meant.
func (e *serverEdit) wanted(before, changed cluster.Config) (all []step.ServerWeight) {
	after := changed.VirtualServices()
	for i, v := range before.VirtualServices() {
		if !e.matches(v.ID) || !slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool { return d.Addr == e.Address }) {
			continue
		}
		w := step.ServerWeight{Service: v.ID, RealServer: e.Address, Gone: true, FallBack: after[i].Flags&ipvs.Sched1 != 0}
		for _, d := range after[i].Destinations {
			if d.Addr == e.Address {
				w.Weight, w.Gone = d.Weight, false
			}
		}
		all = append(all, w)
	}
	return all
}

// rewrite is the step that writes the description down.
func (s *session) rewrite(c *cli.Command, edit *serverEdit, src source) (step.Step, error) {
	if src.file != "" {
		return fileStep{s: s, edit: edit, file: src.file, text: src.text}, nil
	}
	if edit.spares(src.Config) {
		return nil, &hintError{fmt.Errorf("the flags of set-up describe all services alike, and --service names some"),
			"leave --service out; or describe the cluster in a file (--config); or change the running table alone: --runtime"}
	}
	if _, err := src.ignore(c); err != nil {
		return nil, err
	}
	src.args = edit.args(src.args)
	return s.unitStep(cluster.DirectorRole, src), nil
}

// spares tells whether a service that has the real server is not meant.
func (e *serverEdit) spares(c cluster.Config) bool {
	return slices.ContainsFunc(c.Services, func(v cluster.Service) bool {
		return e.covers(v) == none && slices.ContainsFunc(v.RealServers, func(r cluster.RealServer) bool { return sameServer(r, e.Address) })
	})
}

// args makes the change in the flags of set-up.
func (e *serverEdit) args(before []string) []string {
	var after []string
	for i := 0; i < len(before); i++ {
		flag := before[i]
		if flag != "--real-server" && flag != "--drained" || i+1 == len(before) {
			after = append(after, flag)
			continue
		}
		i++
		r, err := cluster.ParseRealServer(before[i])
		switch {
		case err != nil || !sameServer(r, e.Address):
			after = append(after, flag, before[i])
		case e.Remove, flag == "--drained":
		case e.Weight != nil:
			after = append(after, flag, e.Address.String()+"="+strconv.Itoa(*e.Weight))
		default:
			after = append(after, flag, before[i])
		}
	}
	if e.Drained == nil || !*e.Drained || e.Remove {
		return after
	}
	at := 0 // behind the real servers, as set-up repeats its flags
	for i, word := range after {
		if word == "--real-server" || word == "--drained" {
			at = min(i+2, len(after))
		}
	}
	return slices.Insert(after, at, "--drained", e.Address.String())
}

// fileStep has the change in the configuration file.
type fileStep struct {
	s    *session
	edit *serverEdit
	file string
	text []byte
}

func (fileStep) Name() string { return "config" }

func (f fileStep) Plan(context.Context, *host.Host, step.State) ([]step.Change, error) {
	after, err := f.edit.Write(f.file, f.text)
	if err != nil {
		return nil, &hintError{fmt.Errorf("%s: %w", f.file, err), "change it there, then lvsdr setup director; or the running table alone: --runtime"}
	}
	if string(after) == string(f.text) {
		return nil, nil
	}
	return []step.Change{{Step: f.Name(), Op: step.Set, Object: f.file, To: f.edit.words(),
		Do: func(context.Context) error { return f.s.sys.rewriteFile(f.file, after) }}}, nil
}

// words tell what becomes of the real server.
func (e *serverEdit) words() string {
	switch {
	case e.Remove:
		return e.Address.String() + " taken out"
	case e.Weight != nil:
		return e.Address.String() + " weight " + strconv.Itoa(*e.Weight)
	case *e.Drained:
		return e.Address.String() + " drained"
	}
	return e.Address.String() + " not drained"
}
