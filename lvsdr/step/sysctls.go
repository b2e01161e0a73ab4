package step

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Sysctls is the name of the step that sets what the role needs of /proc/sys.
const Sysctls = "sysctls"

// DirectorSysctls is the step that sets what a director needs of /proc/sys, now
// and at boot. Values that serve as well are left as they are.
func DirectorSysctls(c cluster.Config) Step { return newSysctls(cluster.DirectorRole, c) }

// RealServerSysctls is the step that silences ARP for the VIP, now and at boot.
// Values that serve as well are left as they are.
func RealServerSysctls(c cluster.Config) Step { return newSysctls(cluster.RealServerRole, c) }

// sysctls is the step for one role. Its order against a kill in between: on the
// way in the values before are on the disk before the first live value changes;
// on the way out the live values are back before the record of them goes.
type sysctls struct {
	role   string
	wanted []Sysctl
}

func newSysctls(role string, c cluster.Config) sysctls {
	return sysctls{role, SysctlsOf(role, c)}
}

func (s sysctls) Name() string { return Sysctls }

// Plan also gives back the keys that an earlier configuration needed and this
// one does not.
func (s sysctls) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	if want == Absent {
		s.wanted = nil
	}
	look, err := s.look(ctx, h)
	if err != nil {
		return nil, err
	}
	file, err := s.file(ctx, h, look)
	if err != nil || h.Image {
		return file, err
	}
	changes, sets := look.restores(), look.sets()
	late := want == Present && len(changes) > 0 && len(sets) == 0 // ARP is silent until the VIP is gone
	changes = append(changes, file...)
	for i := range changes {
		changes[i].Late = late
	}
	return append(changes, sets...), nil
}

// file plans the drop-in. Its content is made when it is written, because the
// keys of IPVS, whose values before it is to hold, appear with the module.
func (s sysctls) file(ctx context.Context, h *host.Host, look *sysctlLook) ([]Change, error) {
	own := OwnFile{Name: DropInFile(s.role), Role: s.role, Step: s.Name()}
	if len(s.wanted) == 0 {
		return own.Absent(h)
	}
	return own.present(h, look.dropIn(), func() (string, error) {
		look, err := s.look(ctx, h)
		if err != nil {
			return "", err
		}
		return look.dropIn(), nil
	})
}
