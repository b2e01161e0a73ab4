package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	gosysctl "github.com/lorenzosaino/go-sysctl"
)

// procSys is /proc/sys, whose net is that of the calling thread's network
// namespace.
type procSys struct{}

// Get has one blank between the numbers of a key that has several, where the kernel has a
// tab: as people write them.
func (procSys) Get(key string) (string, error) {
	if !strings.Contains(key, ".") {
		value, err := gosysctl.Get(key)
		return strings.Join(strings.Fields(value), " "), explainSysctl(err)
	}
	data, err := os.ReadFile(procSysPath(key)) // go-sysctl takes dots for slashes
	return strings.Join(strings.Fields(string(data)), " "), explainSysctl(err)
}

func (procSys) Set(key, value string) error {
	path := procSysPath(key)
	if _, err := os.Stat(path); err != nil { // else opened for writing it is EACCES
		return err
	}
	if !strings.Contains(key, ".") {
		return explainSysctl(gosysctl.Set(key, value))
	}
	return explainSysctl(os.WriteFile(path, []byte(value), 0o644))
}

func procSysPath(key string) string { return filepath.Join(gosysctl.DefaultPath, key) }

// explainSysctl adds to an error what to do about it.
func explainSysctl(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: /proc/sys is mounted read-only, as in a container: set the host up instead, "+
			"or run the container privileged", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: it takes root with CAP_NET_ADMIN in the user namespace that owns the network namespace", err)
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("%w: the kernel does not take this value", err)
	}
	return err
}
