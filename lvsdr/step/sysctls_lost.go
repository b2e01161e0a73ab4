package step

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// LostSysctls returns, as "key = value", the settings of a role that stay at teardown
// because the drop-in with the values before was deleted: the role was set up to come
// back after a reboot, and the ledger does not have them either.
func LostSysctls(h *host.Host, role string) ([]string, error) {
	lines, err := LedgerOf(h, role).Read()
	if _, lasting := lines[lastingKey]; err != nil || !lasting {
		return nil, err
	}
	if there, err := host.Exists(h.Files, DropInFile(role)); err != nil || there {
		return nil, err
	}
	if before, err := LedgerOf(h, role).ReadStep(Sysctls); err != nil || len(before) > 0 {
		return nil, err
	}
	var stay []string
	for _, s := range RoleSysctls(role) {
		value, err := h.Sysctl.Get(s.Key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && value == s.Value {
			stay = append(stay, fmt.Sprintf("%s = %s", host.SysctlName(s.Key), value))
		}
	}
	return stay, nil
}
