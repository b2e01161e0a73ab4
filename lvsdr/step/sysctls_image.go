package step

import (
	"cmp"
	"errors"
	"io/fs"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// readImage takes for the live values those that an image would boot with if it were
// not for lvsdr: what its files set, else the kernel's own.
func (l *sysctlLook) readImage() error {
	for _, s := range l.wanted {
		value, err := l.h.Sysctl.Get(s.Key)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrNoView) {
			value, err = cmp.Or(s.Unset, "0"), nil
		}
		if err != nil {
			return err
		}
		l.live[s.Key] = value
	}
	return nil
}
