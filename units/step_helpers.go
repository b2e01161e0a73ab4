package units

import (
	"bytes"
	"context"
	"path"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func (s Step) helperFile(name string) step.OwnFile {
	return step.OwnFile{Name: HelperFile(name), Role: s.Unit.Role, Step: s.Name()}
}

// HelperFile is the file of a [Helper].
func HelperFile(name string) string {
	return path.Join(path.Dir(step.UnitFile(cluster.DirectorRole)), name)
}

// helpersPresent has the helpers that the role wants written, and no other. One that an
// administrator has masked stays so.
func (s Step) helpersPresent(h *host.Host) ([]step.Change, error) {
	helpers, err := s.Unit.Helpers()
	if err != nil {
		return nil, err
	}
	var changes []step.Change
	for _, helper := range helpers {
		masked, err := step.Masked(h.Files, HelperFile(helper.Name))
		if err != nil {
			return nil, err
		}
		if masked {
			continue
		}
		due := s.helperAbsent
		if helper.Content != nil {
			due = func(h *host.Host, name string) ([]step.Change, error) {
				return s.helperFile(name).Present(h, string(helper.Content))
			}
		}
		more, err := due(h, helper.Name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

// helpersAbsent takes away first what would start a set-up.
func (s Step) helpersAbsent(h *host.Host) ([]step.Change, error) {
	var changes []step.Change
	for _, name := range []string{VerifyTimer, PathUnit, ChangedService, VerifyService} {
		more, err := s.helperAbsent(h, name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

// helperAbsent stops a helper before its file goes. One of the other role, and a mask,
// are left alone.
func (s Step) helperAbsent(h *host.Host, name string) ([]step.Change, error) {
	masked, err := step.Masked(h.Files, HelperFile(name))
	if err != nil || masked {
		return nil, err
	}
	text, _ := h.Files.ReadFile(HelperFile(name)) // where it cannot be read, Absent says so
	for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
		if role != s.Unit.Role && bytes.Contains(text, []byte("\nPartOf="+Name(role)+"\n")) {
			return nil, nil
		}
	}
	gone, err := s.helperFile(name).Absent(h)
	if running(s.Manager) {
		for i := range gone {
			stop := func(ctx context.Context) error { return s.Manager.Stop(ctx, name) }
			gone[i].Do = then(stop, gone[i].Do)
		}
	}
	return gone, err
}
