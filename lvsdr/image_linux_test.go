package lvsdr_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/lvsdr/toolkit/units"
)

// images are trees that a role is set up in: files with their content, "-> target" for
// a link, "/" for a folder. OUTSIDE is a folder beside the tree.
var images = map[string][]string{
	"bare": {},
	"a system": {
		"/etc/sysctl.d/10-x.conf net.ipv4.conf.all.arp_ignore = 2\nnet.ipv4.ip_forward = 1\n", "/etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf",
		"/etc/sysctl.conf # nothing\n", "/etc/modules-load.d /", "/etc/systemd/system/multi-user.target.wants/ssh.service -> /lib/systemd/system/ssh.service",
		"/usr/lib/sysctl.d/50-default.conf net.ipv4.conf.*.arp_announce = 1\n", "/lib -> usr/lib", "/run /", "/var/run -> /run",
	},
	"links that lead outside": {
		"/real /", "/real/sysctl.d /", "/etc -> /real", "/run -> ../../../../../../..", "/real/systemd/system -> /OUTSIDE", "/OUTSIDE /",
		"/real/sysctl.d/zz-lvsdr-realserver.conf.d -> OUTSIDE/file", "/real/modules-load.d -> ../../../../mod", "/mod /",
	},
}

// tree is an image and what is beside it.
type tree struct {
	t   testing.TB
	top string
	h   *host.Host
}

func newTree(t testing.TB, entries []string) *tree {
	top := t.TempDir()
	outside := filepath.Join(top, "outside")
	makeEntries(t, top, []string{"/outside/etc/sysctl.d/keep x\n", "/outside/file untouched\n", "/image /"})
	for i := range entries {
		entries[i] = strings.ReplaceAll(entries[i], "OUTSIDE", strings.Trim(outside, "/"))
	}
	makeEntries(t, top+"/image", entries)
	h, err := lvsdr.Image(top + "/image")
	if err != nil {
		t.Fatal(err)
	}
	return &tree{t, top, h}
}

func makeEntries(t testing.TB, root string, entries []string) {
	t.Helper()
	for _, e := range entries {
		name, content, _ := strings.Cut(e, " ")
		name = root + name
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if target, link := strings.CutPrefix(content, "-> "); err == nil && link {
			err = os.Symlink(target, name)
		} else if err == nil && content == "/" {
			err = os.MkdirAll(name, 0o755)
		} else if err == nil {
			err = os.WriteFile(name, []byte(content), 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (b *tree) Host() *host.Host { return b.h }

// Dump is every file inside and outside.
func (b *tree) Dump() string {
	var lines []string
	err := filepath.WalkDir(b.top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%v %s", info.Mode(), strings.TrimPrefix(name, b.top))
		if target, err := os.Readlink(name); err == nil {
			line += " -> " + target
		} else if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", data)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), strings.Trim(b.top, "/"), "TOP")
}

// withUnit is the role as the command has it.
func withUnit(name string) func() (lvsdr.Role, error) {
	return func() (lvsdr.Role, error) {
		role, err := roles[name].make(mission())
		role.Steps = append(role.Steps, units.Step{Unit: units.Unit{Role: name, Binary: "/usr/bin/lvsdr", Args: []string{"--vip", "10.10.10.22"}}})
		return role, err
	}
}

// The laws hold for what set-up does in an image's tree, and nothing outside it changes.
func TestLawsOfImages(t *testing.T) {
	for name := range roles {
		for what, entries := range images {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				lvsdrtest.Case{Role: withUnit(name), Every: 3, World: func(t testing.TB) lvsdrtest.Box {
					return newTree(t, slices.Clone(entries))
				}}.Check(t)
			})
		}
	}
}

// What an image gets is what outlives a reboot, inside it, with the values that it
// would boot with as those before.
func TestImage(t *testing.T) {
	for what, entries := range images {
		b := newTree(t, slices.Clone(entries))
		outside, err := os.ReadFile(b.top + "/outside/file")
		if err != nil {
			t.Fatal(err)
		}
		role, err := withUnit("realserver")()
		if err != nil {
			t.Fatal(err)
		}
		made, err := role.Up(t.Context(), b.h)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var names []string
		for _, c := range made {
			names = append(names, c.Step+" "+c.Object)
		}
		want := "sysctls /etc/sysctl.d/zz-lvsdr-realserver.conf, unit /etc/systemd/system/lvsdr-realserver.service, " +
			"unit /etc/systemd/system/lvsdr-verify.service, unit /etc/systemd/system/lvsdr-verify.timer, " +
			"unit /etc/systemd/system/lvsdr-changed.service, unit /etc/systemd/system/lvsdr.path, unit /etc/systemd/system/multi-user.target.wants/lvsdr-realserver.service"
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		if after, err := os.ReadFile(b.top + "/outside/file"); string(after) != string(outside) || err != nil {
			t.Errorf("%s: outside is %q now, %v", what, after, err)
		}
		if names, err := os.ReadDir(b.top); len(names) != 2 || err != nil {
			t.Errorf("%s: beside the image is %v, %v", what, names, err)
		}
		if roles, err := step.Roles(b.h); !slices.Equal(roles, []string{"realserver"}) || err != nil {
			t.Errorf("%s: it has the marks of %q, %v", what, roles, err)
		}
	}
}

func TestImageValuesBefore(t *testing.T) {
	b := newTree(t, slices.Clone(images["a system"]))
	role, err := withUnit("realserver")()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := role.Up(t.Context(), b.h); err != nil {
		t.Fatal(err)
	}
	text, err := b.h.Files.ReadFile(step.DropInFile("realserver"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"#lvsdr:before net.ipv4.ip_forward=1\n", "#lvsdr:before net.ipv4.conf.all.arp_ignore=2\nnet.ipv4.conf.all.arp_ignore = 2\n",
		"#lvsdr:before net.ipv4.conf.all.arp_announce=1\nnet.ipv4.conf.all.arp_announce = 2\n", "#lvsdr:before net.ipv4.conf.lo.arp_ignore=0\n",
	} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

// A step of an importer's own has the image's files, and is told that the rest cannot
// be looked at.
func TestImageHasFilesOnly(t *testing.T) {
	h := newTree(t, nil).h
	if _, err := h.Links.Links(t.Context()); err == nil {
		t.Error("the links of which host?")
	}
	if _, err := h.Sysctl.Get("net/ipv4/ip_forward"); err == nil {
		t.Error("the sysctls of which host?")
	}
	if _, err := lvsdr.Image(t.TempDir() + "/none"); err == nil {
		t.Error("an image that is not there")
	}
}
