package main

import (
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
	dirs := []string{"/run", "/etc"}
	if s.sys.host().Runtime {
		dirs = dirs[:1]
	}
	for _, dir := range dirs {
		if err := s.sys.writable(dir); err != nil {
			return fmt.Errorf("cannot write to %s: %w", dir, err)
		}
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
