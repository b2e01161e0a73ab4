package units

import (
	"context"
	"errors"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A Manager is the systemd that runs the host. [Systemd] is the real one.
type Manager interface {
	// Running tells whether there is one.
	Running() bool
	// Reload has it read the unit files again.
	Reload(ctx context.Context) error
	// Enable enables a unit for the next boot, in place of other links.
	Enable(ctx context.Context, unit string) error
	// Start starts a unit and waits until it is active, or fails.
	Start(ctx context.Context, unit string) error
	// Stop stops a unit, waits until it has ended, though not for ever, and has its
	// failure forgotten: "systemctl --failed" names no unit that is gone. One that is not
	// loaded is no error.
	Stop(ctx context.Context, unit string) error
}

// running tells whether there is a systemd to talk to.
func running(m Manager) bool { return m != nil && m.Running() }

// patience bounds the wait for a unit that has to wait itself, as one started in the
// middle of the boot does.
const patience = 10 * time.Second

// Start has systemd take over the unit of a role that set-up has just written:
// "systemctl status" then tells the truth, and "systemctl stop" and the shutdown
// give everything back. It must be called without lvsdr's lock, because the unit
// runs set-up once more. It returns whether the unit is active by now: false
// without an error means that systemd is not running, or still busy with it.
func Start(ctx context.Context, m Manager, role string) (active bool, err error) {
	if !running(m) {
		return false, nil
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = m.Start(wait, Name(role))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// Pause has systemd no more bring the host back to its role by itself, until the role's
// unit is started the next time. It is for changes of the running host that are not what
// the unit says.
func Pause(ctx context.Context, m Manager) error {
	if !running(m) {
		return nil
	}
	for _, name := range []string{VerifyTimer, PathUnit, ChangedService, VerifyService} {
		if err := m.Stop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

var _ step.Step = Step{}
