package step_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// ctlHost is a host in memory with what the modules and sysctls steps look at. It
// counts the edits, and fails every one after the first edits allowed.
type ctlHost struct {
	files  map[string]string // directories end with a slash
	keys   map[string]string
	loaded map[string]bool
	links  []string
	edits  int
	allow  int // -1: all
	noIPVS bool
}

var errCtlBroken = errors.New("broken off")

func newCtlHost() *ctlHost {
	return &ctlHost{
		allow:  -1,
		files:  map[string]string{"/etc/": "", "/etc/sysctl.d/": "", "/run/": "", "/etc/modules-load.d/": ""},
		loaded: map[string]bool{},
		links:  []string{"lo", "eth0", "eth0.100"},
		keys: map[string]string{
			"net/ipv4/ip_forward":                   "0",
			"net/ipv4/conf/all/accept_redirects":    "1",
			"net/ipv4/conf/all/arp_ignore":          "0",
			"net/ipv4/conf/all/arp_announce":        "0",
			"net/ipv4/conf/lo/arp_ignore":           "0",
			"net/ipv4/conf/lo/arp_announce":         "0",
			"net/ipv4/conf/default/arp_ignore":      "0",
			"net/ipv4/conf/default/forwarding":      "0",
			"net/ipv4/conf/lo/forwarding":           "0",
			"net/ipv4/conf/eth0/forwarding":         "0",
			"net/ipv4/conf/eth0/arp_ignore":         "0",
			"net/ipv4/conf/eth0/arp_announce":       "0",
			"net/ipv4/conf/eth0.100/forwarding":     "0",
			"net/ipv4/conf/eth0.100/arp_ignore":     "0",
			"net/ipv4/conf/eth0.100/arp_announce":   "0",
			"net/ipv4/conf/default/arp_announce":    "0",
			"net/ipv4/conf/eth0.100/something_else": "0",
		},
	}
}

func (c *ctlHost) host() *host.Host {
	return &host.Host{Files: ctlFiles{c}, Sysctl: ctlSysctl{c}, Modules: ctlModules{c}, Links: ctlLinks{h: c}}
}

// state prints everything that a teardown has to give back.
func (c *ctlHost) state() string {
	var b bytes.Buffer
	for _, m := range []map[string]string{c.files, c.keys} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !strings.HasPrefix(k, "net/ipv4/vs/") || m[k] != ctlVS[k] {
				fmt.Fprintf(&b, "%s = %q\n", k, m[k])
			}
		}
	}
	return b.String()
}

func (c *ctlHost) clone() *ctlHost {
	d := *c
	d.files, d.keys, d.loaded = maps.Clone(c.files), maps.Clone(c.keys), maps.Clone(c.loaded)
	return &d
}

func (c *ctlHost) edit() error {
	if c.allow >= 0 && c.edits >= c.allow {
		return errCtlBroken
	}
	c.edits++
	return nil
}

type ctlFiles struct{ h *ctlHost }

func (f ctlFiles) Lock(string) (func(), error) { return func() {}, nil }

func (f ctlFiles) ReadFile(name string) ([]byte, error) {
	data, ok := f.h.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(data), nil
}

func (f ctlFiles) WriteFile(name string, data []byte, _ fs.FileMode) error {
	if err := f.h.edit(); err != nil {
		return err
	}
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		f.h.files[dir+"/"] = ""
	}
	f.h.files[name] = string(data)
	return nil
}

func (f ctlFiles) Symlink(string, string) error { return errors.ErrUnsupported }

func (f ctlFiles) Readlink(name string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrNotExist}
}

func (f ctlFiles) Remove(name string) error {
	if err := f.h.edit(); err != nil {
		return err
	}
	if names, err := f.ReadDir(name); err == nil && len(names) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	delete(f.h.files, host.TemporaryName(name))
	delete(f.h.files, name)
	delete(f.h.files, name+"/")
	return nil
}

func (f ctlFiles) ReadDir(name string) ([]string, error) {
	if _, ok := f.h.files[name+"/"]; !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var names []string
	for file := range f.h.files {
		if file = strings.TrimSuffix(file, "/"); path.Dir(file) == name {
			names = append(names, path.Base(file))
		}
	}
	slices.Sort(names)
	return names, nil
}

type ctlSysctl struct{ h *ctlHost }

func (s ctlSysctl) Get(key string) (string, error) {
	value, ok := s.h.keys[key]
	if !ok {
		return "", &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist}
	}
	return value, nil
}

// Set does to other keys what the kernel does.
func (s ctlSysctl) Set(key, value string) error {
	old, err := s.Get(key)
	if err != nil {
		return err
	}
	if err := s.h.edit(); err != nil {
		return err
	}
	s.h.keys[key] = value
	if key == host.IPForward && old != value {
		s.h.keys["net/ipv4/conf/all/accept_redirects"] = map[string]string{"0": "1", "1": "0"}[value]
		for k := range s.h.keys {
			if strings.HasSuffix(k, "/forwarding") {
				s.h.keys[k] = value
			}
		}
	}
	return nil
}

var ctlVS = map[string]string{
	"net/ipv4/vs/expire_nodest_conn":        "0",
	"net/ipv4/vs/expire_quiescent_template": "0",
	"net/ipv4/vs/conn_reuse_mode":           "1",
}

type ctlModules struct{ h *ctlHost }

func (m ctlModules) Loaded(name string) (bool, error) { return m.h.loaded[name], nil }

func (m ctlModules) Find(_ context.Context, name string) error {
	if m.h.noIPVS || name == "ip_vs_twos" {
		return fmt.Errorf("module %s: %w", name, fs.ErrNotExist)
	}
	return nil
}

func (m ctlModules) Load(_ context.Context, name string) error {
	if err := m.h.edit(); err != nil {
		return err
	}
	if !m.h.loaded["ip_vs"] {
		maps.Copy(m.h.keys, ctlVS)
	}
	m.h.loaded["ip_vs"], m.h.loaded[name] = true, true
	return nil
}

type ctlLinks struct {
	ctlNoLinks // what no test here calls
	h          *ctlHost
}

type ctlNoLinks interface{ host.Links }

func (l ctlLinks) Links(context.Context) ([]host.Link, error) {
	var links []host.Link
	for i, name := range l.h.links {
		links = append(links, host.Link{Name: name, Index: i + 1, Loopback: name == "lo"})
	}
	return links, nil
}

func ctlConfig(vips ...string) cluster.Config {
	var c cluster.Config
	for _, vip := range vips {
		c.Services = append(c.Services, cluster.Service{VIP: netip.MustParseAddr(vip), Scheduler: "wrr"})
	}
	return c
}

// ctlRole has only the steps under test.
func ctlRole(name string, c cluster.Config) lvsdr.Role {
	if name == cluster.DirectorRole {
		return lvsdr.Role{Name: name, Steps: []step.Step{step.DirectorModules(c), step.DirectorSysctls(c)}}
	}
	return lvsdr.Role{Name: name, Steps: []step.Step{step.RealServerSysctls(c)}}
}

func ctlStrings(changes []step.Change) []string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return lines
}

func ctlUp(t *testing.T, r lvsdr.Role, h *host.Host) []string {
	t.Helper()
	changes, err := r.Up(t.Context(), h)
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	return ctlStrings(changes)
}

func ctlDown(t *testing.T, r lvsdr.Role, h *host.Host) []string {
	t.Helper()
	changes, err := r.Down(t.Context(), h)
	if err != nil {
		t.Fatalf("down: %v", err)
	}
	return ctlStrings(changes)
}
