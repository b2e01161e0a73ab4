package ipvs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// ErrNoIPVS says that the kernel has no IPVS now: ip_vs is neither built in nor
// loaded. It is also [fs.ErrNotExist]. Nothing here loads the module.
var ErrNoIPVS error = noIPVS{}

type noIPVS struct{}

func (noIPVS) Error() string        { return "this kernel has no IPVS" }
func (noIPVS) Is(target error) bool { return target == fs.ErrNotExist }

// ErrLost says that the kernel's answers to a batch did not arrive, so that what
// of it took effect can only be learnt by reading the table.
var ErrLost = errors.New("the kernel's answer was lost: read the table to learn what took effect")

// errInterrupted says that the table changed during every attempt to read it.
var errInterrupted = errors.New("the table kept changing while it was read: try again")

// errMalformed says that a netlink message does not follow linux/ip_vs.h.
var errMalformed = errors.New("malformed netlink message")

// Error is the kernel's refusal of a request. It unwraps to the errno, and is
// [fs.ErrNotExist] for ESRCH too, with which IPVS says "no such service".
type Error struct {
	Errno   syscall.Errno
	Message string // the kernel's own words (NETLINK_EXT_ACK), mostly empty
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Errno.Error()
	}
	return e.Errno.Error() + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Errno }

// Is adds ESRCH to what the errno itself knows.
func (e *Error) Is(target error) bool {
	return e.Errno == syscall.ESRCH && target == fs.ErrNotExist
}

// invalid is the refusal of a command that cannot be put into a message.
func invalid(format string, args ...any) *Error {
	return &Error{Errno: syscall.EINVAL, Message: fmt.Sprintf(format, args...)}
}

// CommandError tells which command of [Client.Apply] was refused. Err is the
// [*Error], also for a command that was not sent because it makes no sense.
type CommandError struct {
	Index   int
	Command Command
	Err     error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("ipvs: command %d (%v): %v%s", e.Index, e.Command, e.Err, e.hint())
}

func (e *CommandError) Unwrap() error { return e.Err }

// hint says what the kernel means by an errno of this command
// (net/netfilter/ipvs/ip_vs_ctl.c).
func (e *CommandError) hint() string {
	var errno syscall.Errno
	if !errors.As(e.Err, &errno) {
		return ""
	}
	switch {
	case errno == syscall.ESRCH:
		return " (there is no such service)"
	case errno == syscall.ENOENT && e.Command.Op.onDestination():
		return " (the service has no such real server)"
	case errno == syscall.ENOENT && e.Command.Service != nil:
		s := e.Command.Service
		return fmt.Sprintf(" (no such scheduler or persistence engine: load the module ip_vs_%s)", s.Scheduler)
	case errno == syscall.ERANGE:
		return " (a weight below 0, or a lower threshold above the upper)"
	}
	return ""
}

// ApplyError tells exactly what of the commands given to [Client.Apply] took
// effect: the first Attempted of them except those in Refused. Later ones were
// not sent, except that with [ErrLost] those of one batch, up to [BatchSize]
// from Attempted on, may have taken effect.
//
// It unwraps to the refusals in order and then Err: [errors.As] with a
// *CommandError finds the first.
type ApplyError struct {
	Refused   []*CommandError // in the order of the commands
	Attempted int
	Err       error // why it did not go on to the end; nil when it did
}

func (e *ApplyError) Error() string {
	if len(e.Refused) == 0 {
		return fmt.Sprintf("ipvs: after %d commands: %v", e.Attempted, e.Err)
	}
	text := e.Refused[0].Error()
	if n := len(e.Refused) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	if e.Err != nil {
		text += fmt.Sprintf("; broken off after %d commands: %v", e.Attempted, e.Err)
	}
	return text
}

func (e *ApplyError) Unwrap() []error {
	errs := make([]error, 0, len(e.Refused)+1)
	for _, r := range e.Refused {
		errs = append(errs, r)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}
