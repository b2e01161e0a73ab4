package units

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Name is the unit's name for a role: "lvsdr-director.service".
func Name(role string) string { return path.Base(step.UnitFile(role)) }

// wants is the folder in which the unit is linked for the boot to start it.
func (s Step) wants() string {
	return path.Join(path.Dir(step.UnitFile(s.Unit.Role)), wantedBy+".wants")
}

// A Step is the step that has the unit written and enabled, so that the host is
// after a reboot what it was before. It starts nothing, see [Start]. With
// [lvsdr.Host.Runtime] it does nothing.
type Step struct {
	Unit Unit // given up, only the role counts
	// Manager is the systemd to tell; nil where the host does not run, as with
	// the root of an image: then the unit is enabled by a link of our own.
	Manager Manager
}

// Name is [step.Unit].
func (Step) Name() string { return step.Unit }

// Plan implements [lvsdr.Step].
func (s Step) Plan(_ context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	if h.Runtime {
		return nil, nil
	}
	if want == step.Absent {
		return s.absent(h)
	}
	return s.present(h)
}

func (s Step) unitFile() step.OwnFile {
	return step.OwnFile{
		Name: step.UnitFile(s.Unit.Role),
		Role: s.Unit.Role,
		Step: s.Name(),
		Dirs: []string{s.wants()},
	}
}

func (s Step) link() string { return path.Join(s.wants(), Name(s.Unit.Role)) }

func (s Step) present(h *host.Host) ([]step.Change, error) {
	content, err := Render(s.Unit)
	if err != nil {
		return nil, err
	}
	file := s.unitFile()
	if err := s.unmasked(h); err != nil {
		return nil, err
	}
	changes, err := file.Present(h, string(content))
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		if old, err := h.Files.ReadFile(file.Name); err == nil {
			changes[0].From, changes[0].To = difference(old, s.Unit)
		}
	}
	more, err := s.helpersPresent(h)
	if err != nil {
		return nil, err
	}
	changes = append(changes, more...)
	if last := len(changes) - 1; last >= 0 && running(s.Manager) {
		changes[last].Do = then(changes[last].Do, s.Manager.Reload)
	}
	target, err := h.Files.Readlink(s.link())
	if err == nil && !path.IsAbs(target) {
		target = path.Join(s.wants(), target)
	}
	switch {
	case err == nil && target == file.Name:
		return changes, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return append(changes, s.enable(h, file.Name, target)), nil
}

// difference is what of a unit's command line goes and what comes.
func difference(old []byte, want Unit) (from, to string) {
	was, err := Parse(old)
	if err != nil {
		return "", ""
	}
	before, after := flagsOf(was), flagsOf(want)
	gone := slices.DeleteFunc(slices.Clone(before), func(f string) bool { return slices.Contains(after, f) })
	come := slices.DeleteFunc(slices.Clone(after), func(f string) bool { return slices.Contains(before, f) })
	if len(gone) > 0 && len(come) == 0 {
		come = []string{"without"}
	}
	return strings.Join(gone, " "), strings.Join(come, " ")
}

// flagsOf are the words of a command line, each flag with its value.
func flagsOf(u Unit) []string {
	all := []string{host.ShellLine(u.Binary)}
	for _, arg := range u.Args {
		if last := len(all) - 1; last > 0 && !strings.HasPrefix(arg, "--") {
			all[last] += " " + host.ShellLine(arg)
		} else {
			all = append(all, host.ShellLine(arg))
		}
	}
	return all
}

// unmasked fails with [step.ErrMasked] when an administrator does not want the unit.
func (s Step) unmasked(h *host.Host) error {
	masked, err := step.Masked(h.Files, step.UnitFile(s.Unit.Role))
	if err == nil && masked {
		err = fmt.Errorf("%s: %w", step.UnitFile(s.Unit.Role), step.ErrMasked)
	}
	return err
}

// enable is the change that has the unit started at boot.
func (s Step) enable(h *host.Host, file, before string) step.Change {
	change := step.Change{
		Step: s.Name(), Op: step.Add, Object: s.link(), From: before, To: file,
		Do: func(context.Context) error { return h.Files.Symlink(file, s.link()) },
	}
	if before != "" {
		change.Op = step.Set
	}
	switch {
	case running(s.Manager):
		change.Do = func(ctx context.Context) error { return s.Manager.Enable(ctx, Name(s.Unit.Role)) }
	case !h.Image:
		change.To += " (enabled at next boot; not started: systemd is not running)"
	}
	return change
}

// absent removes the link itself, also where systemd runs: its own disabling
// would take an empty multi-user.target.wants with it that was there before us.
func (s Step) absent(h *host.Host) ([]step.Change, error) {
	var changes []step.Change
	linked, err := s.linked(h)
	if err != nil {
		return nil, err
	}
	if linked {
		changes = append(changes, step.Change{
			Step: s.Name(), Op: step.Remove, Object: s.link(),
			Do: func(context.Context) error { return h.Files.Remove(s.link()) },
		})
	}
	helpers, err := s.helpersAbsent(h)
	if err != nil {
		return nil, err
	}
	changes = append(changes, helpers...)
	if err := s.unmasked(h); errors.Is(err, step.ErrMasked) {
		return changes, nil // the mask is not ours
	} else if err != nil {
		return nil, err
	}
	gone, err := s.unitFile().Absent(h)
	if err != nil {
		return nil, err
	}
	if running(s.Manager) {
		for i := range gone {
			gone[i].Do = then(gone[i].Do, s.forget)
		}
	}
	return append(changes, gone...), nil
}

// linked tells whether the link is there, or what a killed set-up left of it
// under [host.TemporaryName], under which it is built.
func (s Step) linked(h *host.Host) (bool, error) {
	names, err := h.Files.ReadDir(s.wants())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	name := Name(s.Unit.Role)
	return slices.Contains(names, name) || slices.Contains(names, path.Base(host.TemporaryName(name))), nil
}

// forget has systemd drop the unit whose file is gone. Once it has read the unit
// files again the unit has no ExecStop any more, so that stopping it does not run
// a second teardown, which would wait for the lock of the one at work.
func (s Step) forget(ctx context.Context) error {
	if err := s.Manager.Reload(ctx); err != nil {
		return err
	}
	return s.Manager.Stop(ctx, Name(s.Unit.Role))
}

// then makes two functions one.
func then(first, second func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := first(ctx); err != nil {
			return err
		}
		return second(ctx)
	}
}
