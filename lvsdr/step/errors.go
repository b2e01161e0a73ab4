package step

import (
	"errors"
	"fmt"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Errors to test for with [errors.Is]. Absence and missing rights are told by
// [io/fs.ErrNotExist] and [io/fs.ErrPermission].
var (
	// ErrNoEffect: a change was made without an error, but looking again shows
	// that it is still due.
	ErrNoEffect = errors.New("the change was accepted but had no effect")
	// ErrLedgerLost: what the role did to the host is not on record any more, and what
	// is there may be its work or somebody else's.
	ErrLedgerLost = errors.New("the record of what set-up did is lost")
	// ErrNoKeepalived: the engine is keepalived, and the program is not there.
	ErrNoKeepalived = errors.New("the program keepalived is needed")
	// ErrOldKeepalived: the program is there, and too old for what is asked of it.
	ErrOldKeepalived = errors.New("a newer keepalived is needed")
	// ErrOtherRole: the host already has another role of lvsdr.
	ErrOtherRole = errors.New("the host has another role")
)

// StepError tells which step failed, and at which change when it was not at
// looking. It is shaped after [io/fs.PathError].
type StepError struct {
	Step   string
	Change *Change // nil when the host could not be looked at
	Err    error
}

func (e *StepError) Error() string {
	if e.Change == nil {
		return host.Printable(fmt.Sprintf("lvsdr: %s: %v", e.Step, e.Err))
	}
	return host.Printable(fmt.Sprintf("lvsdr: %s %s %s: %v", e.Step, e.Change.Op, e.Change.Object, e.Err))
}

func (e *StepError) Unwrap() error { return e.Err }
