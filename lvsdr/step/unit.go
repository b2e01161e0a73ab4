package step

import (
	"errors"
	"io/fs"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Unit is the name of the step of package units, which has systemd bring the role back
// at boot.
const Unit = "unit"

// UnitFile is the file of the systemd unit that brings a role back at boot, where an
// administrator's units are (systemd.unit(5)). Package units writes it.
func UnitFile(role string) string { return "/etc/systemd/system/lvsdr-" + role + ".service" }

// ErrMasked: an administrator has forbidden a unit to start, see [Masked].
var ErrMasked = errors.New("the unit is masked: an administrator has forbidden it to start")

// Masked tells whether a unit file says that its unit is not to be started: it is a
// link to /dev/null, as "systemctl mask" makes, or empty (systemd.unit(5)).
func Masked(files host.Files, name string) (bool, error) {
	target, err := files.Readlink(name)
	if err == nil && target == "/dev/null" {
		return true, nil
	}
	text, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && len(text) == 0, err
}
