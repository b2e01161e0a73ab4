package lvsdrtest

import (
	"fmt"
	"io/fs"
	"strings"
)

type module int

const (
	available module = iota + 1
	loaded
	builtin
)

// distribution lists the modules of a distribution's kernel that matter here.
var distribution = []string{
	"ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_lc", "ip_vs_wlc", "ip_vs_lblc", "ip_vs_lblcr", "ip_vs_dh", "ip_vs_sh",
	"ip_vs_mh", "ip_vs_sed", "ip_vs_nq", "ip_vs_fo", "ip_vs_ovf", "ip_vs_twos", "ip_vs_pe_sip",
	"nf_conntrack", "nf_tables", "dummy", "ipip",
}

func (s *state) makeModules() {
	for _, name := range distribution {
		s.modules[name] = available
	}
}

func (s *state) loaded(name string) bool { return s.modules[name] >= loaded }

func (s *state) findModule(name string) error {
	if s.modules[name] == 0 {
		return fmt.Errorf("module %s: %w", name, fs.ErrNotExist)
	}
	return nil
}

func (s *state) loadModule(name string) error {
	if err := s.findModule(name); err != nil || s.loaded(name) {
		return err
	}
	if strings.HasPrefix(name, "ip_vs_") {
		if err := s.loadModule("ip_vs"); err != nil {
			return err
		}
	}
	s.modules[name] = loaded
	if name == "ip_vs" {
		s.makeIPVSSysctls()
	}
	return nil
}

// WithoutModules takes modules away: the kernel was built without them. Those of
// IPVS are called ip_vs and ip_vs_wrr.
func (w *World) WithoutModules(names ...string) *World {
	_ = w.do(func(s *state) error {
		for _, name := range names {
			delete(s.modules, name)
		}
		return nil
	})
	return w
}

// WithoutIPVS makes the world's kernel one that has no IPVS and no module of it.
func (w *World) WithoutIPVS() *World {
	var names []string
	for _, name := range distribution {
		if strings.HasPrefix(name, "ip_vs") {
			names = append(names, name)
		}
	}
	return w.WithoutModules(names...)
}

// BuiltIn makes modules part of the kernel: there without being loaded.
func (w *World) BuiltIn(names ...string) *World {
	_ = w.do(func(s *state) error {
		for _, name := range names {
			if name == "ip_vs" && !s.loaded(name) {
				s.makeIPVSSysctls()
			}
			s.modules[name] = builtin
		}
		return nil
	})
	return w
}

// WithoutRights makes every edit through Host fail as it does for a process
// without CAP_NET_ADMIN that is not root; everything can be read.
func (w *World) WithoutRights() *World {
	w.Fail("", errNoRights)
	return w
}

var errNoRights = fmt.Errorf("operation not permitted: %w", fs.ErrPermission)
