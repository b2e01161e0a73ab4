package lvsdr

import (
	"context"
	"slices"
	"strings"
)

// DirectorSysctls is the step that sets what a director needs of /proc/sys, now
// and at boot. Values that serve as well are left as they are.
func DirectorSysctls(c Config) Step { return newSysctls(DirectorRole, c) }

// RealServerSysctls is the step that silences ARP for the VIP, now and at boot.
// Values that serve as well are left as they are.
func RealServerSysctls(c Config) Step { return newSysctls(RealServerRole, c) }

// sysctlDropIn is the file that keeps a role's sysctls over a reboot.
func sysctlDropIn(role string) string { return "/etc/sysctl.d/zz-lvsdr-" + role + ".conf" }

// sysctls is the step for one role. Its order against a kill in between: on the
// way in the values before are on the disk before the first live value changes;
// on the way out the live values are back before the record of them goes.
type sysctls struct {
	role   string
	wanted []sysctl
}

func newSysctls(role string, c Config) sysctls {
	ipv4 := slices.ContainsFunc(c.Services, func(s Service) bool { return s.VIP.Unmap().Is4() })
	wanted := roleSysctls(role)
	if !ipv4 {
		wanted = slices.DeleteFunc(wanted, func(s sysctl) bool { return s.IPv4 })
	}
	return sysctls{role, wanted}
}

func (s sysctls) Name() string { return "sysctls" }

// Plan also gives back the keys that an earlier configuration needed and this
// one does not.
func (s sysctls) Plan(ctx context.Context, h *Host, want State) ([]Change, error) {
	if want == Absent {
		s.wanted = nil
	}
	look, err := s.look(ctx, h)
	if err != nil {
		return nil, err
	}
	changes := look.restores()
	file, err := s.file(ctx, h, look)
	if err != nil {
		return nil, err
	}
	changes = append(changes, file...)
	return append(changes, look.sets()...), nil
}

// file plans the drop-in. Its content is made when it is written, because the
// keys of IPVS, whose values before it is to hold, appear with the module.
func (s sysctls) file(ctx context.Context, h *Host, look *sysctlLook) ([]Change, error) {
	own := ownFile{name: sysctlDropIn(s.role), role: s.role, step: s.Name()}
	if len(s.wanted) == 0 {
		return own.absent(h)
	}
	return own.present(h, look.dropIn(), func() (string, error) {
		look, err := s.look(ctx, h)
		if err != nil {
			return "", err
		}
		return look.dropIn(), nil
	})
}

// sysctlDotted turns a key with slashes into the form of sysctl.d(5): slashes
// become dots, and the dots of an interface's name slashes.
func sysctlDotted(key string) string { return swapDots.Replace(key) }

// sysctlSlashed reads a key as sysctl.d(5) does: the first separator decides
// whether dots and slashes are to be swapped.
func sysctlSlashed(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		return swapDots.Replace(key)
	}
	return key
}

var swapDots = strings.NewReplacer(".", "/", "/", ".")
