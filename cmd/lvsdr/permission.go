package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// may fails unless this process may change the host: one clear line before
// anything is touched instead of a failure in the middle.
func (s *session) may(role string) error {
	needs := []capability{netAdmin}
	if role == cluster.DirectorRole && !s.report.teardown {
		needs = append(needs, netRaw)
	}
	have, err := s.sys.capabilities()
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range needs {
		if have&(1<<c.bit) == 0 {
			missing = append(missing, c.name+" ("+c.why+")")
		}
	}
	if len(missing) > 0 {
		return &hintError{
			fmt.Errorf("%w: changing this host needs %s", fs.ErrPermission, strings.Join(missing, " and ")),
			hintRoot,
		}
	}
	return s.writablePlaces()
}

// A place is one that set-up and teardown write to.
type place struct {
	name, hint string
	lasting    bool // not with --runtime
}

var places = []place{
	{name: "/run", hint: "it keeps what is to be given back: mount a tmpfs there"},
	{name: "/proc/sys/net/ipv4/ip_forward",
		hint: "/proc/sys is read-only, as in a container: set the host itself up, or have it mounted writable (mount -o remount,rw /proc/sys)"},
	{name: "/etc", hint: hintRuntime, lasting: true},
	{name: "/etc/sysctl.d", hint: hintRuntime, lasting: true},
	{name: "/etc/modules-load.d", hint: hintRuntime, lasting: true},
	{name: "/etc/systemd/system", hint: hintRuntime, lasting: true},
}

const hintRuntime = "change the running host only, for this boot: --runtime"

// writablePlaces fails where something cannot be written, before anything is. What is not
// there is made.
func (s *session) writablePlaces() error {
	if s.sys.image != "" {
		if err := s.sys.writable(s.sys.image); err != nil {
			return fmt.Errorf("cannot write to %s: %w; nothing was changed", s.sys.image, err)
		}
		return nil
	}
	for _, p := range places {
		if p.lasting && s.sys.host().Runtime {
			continue
		}
		err := s.sys.writable(p.name)
		if errors.Is(err, fs.ErrNotExist) || err == nil {
			continue
		}
		return &hintError{fmt.Errorf("cannot write to %s: %w; nothing was changed", p.name, err), p.hint}
	}
	return nil
}

type capability struct {
	name string
	bit  int
	why  string
}

var (
	netAdmin = capability{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN, "addresses, sysctls, firewall, IPVS"}
	netRaw   = capability{"CAP_NET_RAW", unix.CAP_NET_RAW, "announcing the VIP"}
)

func effectiveCapabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK, unix.AT_EACCESS)
}
