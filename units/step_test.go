package units_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/lvsdr/toolkit/units"
)

const (
	file  = "/etc/systemd/system/lvsdr-director.service"
	wants = "/etc/systemd/system/multi-user.target.wants"
	link  = wants + "/lvsdr-director.service"

	timer = "/etc/systemd/system/lvsdr-verify.timer"
	added = "unit add " + file + "\nunit add /etc/systemd/system/lvsdr-verify.service\nunit add " + timer + "\nunit add /etc/systemd/system/lvsdr-changed.service\nunit add /etc/systemd/system/lvsdr.path\n"
)

// manager is a systemd that writes down what it is told.
type manager struct {
	files host.Files
	calls []string
	err   error
}

func (m *manager) Running() bool { return true }

func (m *manager) call(c string) error {
	m.calls = append(m.calls, c)
	return m.err
}

func (m *manager) Reload(context.Context) error { return m.call("reload") }

func (m *manager) Enable(_ context.Context, unit string) error {
	if err := m.files.Symlink("/etc/systemd/system/"+unit, wants+"/"+unit); err != nil {
		return err
	}
	return m.call("enable " + unit)
}

func (m *manager) Start(_ context.Context, unit string) error { return m.call("start " + unit) }
func (m *manager) Stop(_ context.Context, unit string) error  { return m.call("stop " + unit) }

func director(m units.Manager) lvsdr.Role {
	return lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{units.Step{
		Unit:    units.Unit{Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"--vip", "10.10.10.22"}},
		Manager: m,
	}}}
}

func lines(changes []step.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Step+" "+c.String())
	}
	return strings.Join(all, "\n")
}

func TestStepWithoutSystemd(t *testing.T) {
	w := lvsdrtest.New()
	before := w.Dump()
	role := director(nil)
	made, err := role.Up(t.Context(), w.Host())
	if err != nil {
		t.Fatal(err)
	}
	want := added + "unit add " + link + ": " + file + " (enabled at next boot; not started: systemd is not running)"
	if got := lines(made); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if target, err := w.Host().Files.Readlink(link); err != nil || target != file {
		t.Errorf("the link: %q, %v", target, err)
	}
	if made, err = role.Up(t.Context(), w.Host()); err != nil || len(made) > 0 {
		t.Errorf("a second set-up: %s, %v", lines(made), err)
	}
	if active, err := units.Start(t.Context(), nil, role.Name); active || err != nil {
		t.Errorf("start: %v, %v", active, err)
	}
	if _, err := role.Down(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if after := w.Dump(); after != before {
		t.Errorf("not as before:\n%s\nbut\n%s", before, after)
	}
}

func TestStepWithSystemd(t *testing.T) {
	w := lvsdrtest.New()
	before := w.Dump()
	m := &manager{files: w.Host().Files}
	role := director(m)
	made, err := role.Up(t.Context(), w.Host())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(made), added+"unit add "+link+": "+file; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if active, err := units.Start(t.Context(), m, role.Name); !active || err != nil {
		t.Errorf("start: %v, %v", active, err)
	}
	if _, err := role.Down(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	want := []string{"reload", "enable lvsdr-director.service", "start lvsdr-director.service",
		"stop lvsdr-verify.timer", "stop lvsdr.path", "stop lvsdr-changed.service", "stop lvsdr-verify.service", "reload", "stop lvsdr-director.service"}
	if !slices.Equal(m.calls, want) {
		t.Errorf("got %q\nwant %q", m.calls, want)
	}
	if after := w.Dump(); after != before {
		t.Errorf("not as before:\n%s\nbut\n%s", before, after)
	}
}

// TestStepInterrupted breaks set-up and teardown off after each edit.
func TestStepInterrupted(t *testing.T) {
	for _, first := range []step.State{step.Present, step.Absent} {
		for n := 0; ; n++ {
			w := lvsdrtest.New()
			before := w.Dump()
			role := director(nil)
			if first == step.Absent {
				mustUp(t, role, w)
			}
			w.FailAfter(n)
			var err error
			if first == step.Present {
				_, err = role.Up(t.Context(), w.Host())
			} else {
				_, err = role.Down(t.Context(), w.Host())
			}
			w.FailAfter(-1)
			if first == step.Present {
				mustUp(t, role, w)
			}
			if _, err := role.Down(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			if after := w.Dump(); after != before {
				t.Errorf("%v broken off after %d edits, then down: not as before:\n%s\nbut\n%s", first, n, before, after)
			}
			if err == nil {
				break
			}
		}
	}
}

func mustUp(t *testing.T, role lvsdr.Role, w *lvsdrtest.World) {
	t.Helper()
	if _, err := role.Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
}

func TestStepDrift(t *testing.T) {
	w := lvsdrtest.New()
	m := &manager{files: w.Host().Files}
	role := director(m)
	mustUp(t, role, w)

	text, err := w.Host().Files.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), "\n#lvsdr:made "+wants+"\n") {
		t.Errorf("the directory is not marked:\n%s", text)
	}
	write(t, w, file, "[Service]\nExecStart=/bin/false\n")
	m.calls = nil
	made, err := role.Up(t.Context(), w.Host())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(made), "unit set "+file; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !slices.Equal(m.calls, []string{"reload"}) {
		t.Errorf("got %q", m.calls)
	}
	if err := w.Host().Files.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	if made, err = role.Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if got, want := lines(made), "unit set "+link+": /dev/null -> "+file; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := w.Host().Files.Symlink("../lvsdr-director.service", link); err != nil {
		t.Fatal(err)
	}
	if made, err = role.Up(t.Context(), w.Host()); err != nil || len(made) > 0 {
		t.Errorf("a relative link: %s, %v", lines(made), err)
	}
}

// The unit of an older version is written anew, and nothing is stopped for it.
func TestStepOfOlderVersion(t *testing.T) {
	w := lvsdrtest.New()
	m := &manager{files: w.Host().Files}
	role := director(m)
	mustUp(t, role, w)
	now, err := w.Host().Files.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	older := strings.ReplaceAll(string(now), "UMask=0077\n", "")
	if older == string(now) {
		t.Fatal("the unit has no UMask= any more")
	}
	write(t, w, file, older)
	m.calls = nil
	if made, err := role.Up(t.Context(), w.Host()); err != nil || lines(made) != "unit set "+file {
		t.Errorf("made %s, %v", lines(made), err)
	}
	if got, _ := w.Host().Files.ReadFile(file); string(got) != string(now) || !slices.Equal(m.calls, []string{"reload"}) {
		t.Errorf("systemd was told %q, and the unit is\n%s", m.calls, got)
	}
}

func write(t *testing.T, w *lvsdrtest.World, name, text string) {
	t.Helper()
	if err := w.Host().Files.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestStepLeavesOthersUnits(t *testing.T) {
	w := lvsdrtest.New()
	role := director(nil)
	mustUp(t, role, w)
	write(t, w, wants+"/other.service", "")
	if _, err := role.Down(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if names, err := w.Host().Files.ReadDir(wants); err != nil || !slices.Equal(names, []string{"other.service"}) {
		t.Errorf("left: %q, %v", names, err)
	}
}

// What --verify and the description ask for is there, and no more; masks stay.
func TestStepHelpers(t *testing.T) {
	w := lvsdrtest.New()
	m := &manager{files: w.Host().Files}
	up := func(want string, args ...string) {
		t.Helper()
		role := director(m)
		role.Steps[0] = units.Step{Unit: units.Unit{Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: args}, Manager: m}
		m.calls = nil
		made, err := role.Up(t.Context(), w.Host())
		if got := strings.ReplaceAll(lines(made), "unit ", ""); err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("%q: got\n%s\n%v, want at the end\n%s", args, got, err, want)
		}
	}
	up("", "--vip", "10.10.10.22")
	up("set "+timer, "--vip", "10.10.10.22", "--verify", "5m")
	up("remove /etc/systemd/system/lvsdr-verify.service\nremove "+timer+"\nremove /etc/systemd/system/lvsdr-changed.service\nremove /etc/systemd/system/lvsdr.path", "--vip", "10.10.10.22", "--verify", "0")
	if want := []string{"stop lvsdr-verify.service", "stop lvsdr-verify.timer", "stop lvsdr-changed.service", "stop lvsdr.path", "reload"}; !slices.Equal(m.calls, want) {
		t.Errorf("got %q, want %q", m.calls, want)
	}
	up("add /etc/systemd/system/lvsdr-verify.service\nadd /etc/systemd/system/lvsdr-changed.service\nadd /etc/systemd/system/lvsdr.path", "--config", "/etc/lvsdr/lvsdr.yaml", "--verify=0s")
	if err := w.Run("ln -s /dev/null " + timer); err != nil {
		t.Fatal(err)
	}
	up("set "+file+": --verify=0s -> without\nset /etc/systemd/system/lvsdr.path", "--config", "/etc/lvsdr/lvsdr.yaml")
	if target, _ := w.Host().Files.Readlink(timer); target != "/dev/null" {
		t.Errorf("the mask is gone: %q", target)
	}
}

// The other role's helpers are none of this one's.
func TestStepHelpersOfOthers(t *testing.T) {
	w := lvsdrtest.New()
	mustUp(t, director(nil), w)
	before := w.Dump()
	other := lvsdr.Role{Name: cluster.RealServerRole, Steps: []step.Step{units.Step{Unit: units.Unit{Role: cluster.RealServerRole}}}}
	if made, err := other.Down(t.Context(), w.Host()); err != nil || len(made) > 0 || w.Dump() != before {
		t.Errorf("made %s, %v", lines(made), err)
	}
}

// A change of the running host that the unit does not say is left alone.
func TestPause(t *testing.T) {
	m := &manager{}
	if err := units.Pause(t.Context(), m); err != nil || !slices.Equal(m.calls, []string{"stop lvsdr-verify.timer", "stop lvsdr.path", "stop lvsdr-changed.service", "stop lvsdr-verify.service"}) {
		t.Errorf("got %q, %v", m.calls, err)
	}
	if err := units.Pause(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestStepRuntime(t *testing.T) {
	w := lvsdrtest.New()
	host := w.Host()
	host.Runtime = true
	role := director(nil)
	for _, want := range []step.State{step.Present, step.Absent} {
		if changes, err := role.Plan(t.Context(), host, want); err != nil || len(changes) > 0 {
			t.Errorf("%v: %s, %v", want, lines(changes), err)
		}
	}
}

func TestStart(t *testing.T) {
	broken := errors.New("broken")
	if active, err := units.Start(t.Context(), &manager{err: broken}, cluster.DirectorRole); active || !errors.Is(err, broken) {
		t.Errorf("got %v, %v", active, err)
	}
	if active, err := units.Start(t.Context(), &manager{err: context.DeadlineExceeded}, cluster.DirectorRole); active || err != nil {
		t.Errorf("still busy: got %v, %v", active, err)
	}
}
