package linux

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ErrNoImage: the kernel does not resolve names inside a root (openat2(2), since Linux
// 5.6; containers with an old seccomp filter refuse it).
var ErrNoImage = errors.New("this kernel resolves no names inside an image's root (openat2, Linux 5.6)")

// Image is the system whose tree is in the directory root, as a host that does not run:
// it has files, and nothing of it says anything about the running kernel. Whatever
// links the tree has, and whoever changes them meanwhile, nothing outside it is read or
// written: the kernel resolves every name with root as its "/".
func Image(root string) (*host.Host, error) {
	dir, err := os.OpenFile(root, unix.O_DIRECTORY|unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	files := imageFiles{dir}
	fd, err := files.open("/", unix.O_PATH)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%s: %w: %w", root, ErrNoImage, err)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	unix.Close(fd)
	none := func(context.Context, string, func() error) error { return host.ErrNoView }
	h := (&host.Host{}).Through(none)
	h.Files, h.Image = files, true
	return h, nil
}

// imageFiles are the files below an open directory. It is closed when it is garbage.
type imageFiles struct{ root *os.File }
