package doctor

import (
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// lasting tells whether this host was set up in the exam's role so that it comes
// back after a reboot, and not only with [Host.Runtime].
func (e *Exam) lasting() (bool, error) {
	if e.Host.Runtime {
		return false, nil
	}
	if lasting, err := step.Lasting(e.Host, e.Role); err != nil || lasting {
		return lasting, err
	}
	if e.Role == cluster.DirectorRole {
		if there, err := host.Exists(e.Host.Files, step.ModulesLoad); err != nil || there {
			return there, err
		}
	}
	return e.lostDropIn()
}

// lostDropIn tells whether somebody has removed the drop-in of a lasting set-up: the
// unit is there, and neither the ledger has the sysctls' values before, as after a
// set-up by the unit alone, nor do the host's own files set all that the role needs.
func (e *Exam) lostDropIn() (bool, error) {
	lines, err := step.LedgerOf(e.Host, e.Role).Read()
	if err != nil || len(lines) == 0 {
		return false, err
	}
	before, err := step.LedgerOf(e.Host, e.Role).ReadStep(step.Sysctls)
	if err != nil || len(before) > 0 {
		return false, err
	}
	boot, err := e.BootSysctls()
	if err != nil {
		return false, err
	}
	unset := func(s step.Sysctl) bool {
		last, ok := boot.Last(s.Key)
		return !ok || !s.Serves(last.Value)
	}
	if !slices.ContainsFunc(step.SysctlsOf(e.Role, e.Config), unset) {
		return false, nil
	}
	return host.Exists(e.Host.Files, step.UnitFile(e.Role))
}
