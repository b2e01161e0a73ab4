package step

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Step is one thing that a role wants to be there on a host. It is named after
// what is there when it is done.
type Step interface {
	// Name is that of a constant, such as [VIP]. It stands in [Change.Step], the keys of the
	// [Ledger] begin with it, and a check says by it what mends a fault.
	Name() string

	// Plan compares the host with what the step wants and returns the changes
	// that remain, in the order in which they must be made, none when the host
	// is already as wanted. It changes nothing, and it must not depend on
	// another step having been applied.
	Plan(ctx context.Context, h *host.Host, want State) ([]Change, error)
}

// An Applier is a Step that makes its changes together, because one by one would
// be dearer or less safe. Most steps are not: their changes are made in order
// with [Change.Do], and Plan is asked once more afterwards.
type Applier interface {
	Step

	// Apply makes changes, which Plan of the same step returned, in their order.
	// It looks again at everything they touched and fails with [ErrNoEffect]
	// where the kernel accepted a change without effect. It returns how many
	// changes were made, counted from the first, also on error.
	Apply(ctx context.Context, h *host.Host, changes []Change) (done int, err error)
}

// A Drainer is a Step whose late changes ([Change.Late]) would break connections.
type Drainer interface {
	Step

	// Drain gives the connections that changes would break time to end. It is asked
	// before any step makes its late changes, and fails with a [*DrainError] when it
	// is broken off.
	Drain(ctx context.Context, h *host.Host, changes []Change) error
}

// State is what is wanted of a step.
type State bool

// The two states.
const (
	Absent  State = false // everything the step did is given back
	Present State = true  // what the step is named after is there
)

// String is "present" or "absent".
func (s State) String() string {
	if s {
		return "present"
	}
	return "absent"
}
