package lvsdr

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// lasting tells whether this host was set up in the exam's role so that it comes
// back after a reboot, and not only with [Host.Runtime].
func (e *Exam) lasting() (bool, error) {
	if e.Host.Runtime {
		return false, nil
	}
	if lasting, err := e.Host.Lasting(e.Role); err != nil || lasting {
		return lasting, err
	}
	if e.Role == DirectorRole {
		if there, err := exists(e.Host.Files, modulesLoad); err != nil || there {
			return there, err
		}
	}
	return e.lostDropIn()
}

// lostDropIn tells whether somebody has removed the drop-in of a lasting set-up: the
// unit is there, and neither the ledger has the sysctls' values before, as after a
// set-up by the unit alone, nor do the host's own files set all that the role needs.
func (e *Exam) lostDropIn() (bool, error) {
	lines, err := e.Host.ledger(e.Role).read()
	if err != nil || len(lines) == 0 {
		return false, err
	}
	for key := range lines {
		if strings.HasPrefix(key, sysctlLedger) {
			return false, nil
		}
	}
	boot, err := e.boot()
	if err != nil {
		return false, err
	}
	unset := func(s sysctl) bool {
		last, ok := boot.last(s.Key)
		return !ok || !s.serves(last.value)
	}
	if !slices.ContainsFunc(newSysctls(e.Role, e.Config).wanted, unset) {
		return false, nil
	}
	return exists(e.Host.Files, unitFile(e.Role))
}

// unitFile is where package units, which writes it, has the role's unit.
func unitFile(role string) string { return "/etc/systemd/system/lvsdr-" + role + ".service" }

func exists(files Files, name string) (bool, error) {
	_, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
