package step

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Busy is what is to go while connections are still open on it: a real server of a
// service, or, on a real server, a service's VIP and port.
type Busy struct {
	Service     ipvs.ID
	RealServer  netip.AddrPort // none on a real server itself
	Connections int
}

// String is the service, and the real server where there is one.
func (b Busy) String() string {
	if !b.RealServer.IsValid() {
		return b.Service.String()
	}
	return b.Service.String() + " -> " + b.RealServer.String()
}

// JoinBusy counts the connections, and names the first few places.
func JoinBusy(left []Busy) string {
	const shown = 3
	n := 0
	var where []string
	for i, b := range left {
		n += b.Connections
		if i < shown {
			where = append(where, b.String())
		}
	}
	if more := len(left) - shown; more > 0 {
		where = append(where, fmt.Sprintf("and %d more", more))
	}
	noun := "connections"
	if n == 1 {
		noun = "connection"
	}
	return fmt.Sprintf("%d %s (%s)", n, noun, strings.Join(where, ", "))
}

// A DrainTrace hears of a drain.
type DrainTrace struct {
	Waiting func(left []Busy, most time.Duration) // once, when it begins to wait
	Still   func(left []Busy, rest time.Duration) // at each further look
	Over    func(left []Busy)                     // its time is over, and these are cut
}

type drainTraceKey struct{}

// WithDrainTrace returns a context in which a drain tells trace how it goes.
func WithDrainTrace(ctx context.Context, trace DrainTrace) context.Context {
	return context.WithValue(ctx, drainTraceKey{}, trace)
}

// A DrainError is a drain that was broken off: nothing was cut, and what is to go is
// still there, without new connections.
type DrainError struct {
	Made []Change // what it has changed, for nothing new to come
	Left []Busy   // what it was waiting for
	Err  error
}

func (e *DrainError) Error() string {
	if len(e.Left) == 0 {
		return "drain: " + e.Err.Error()
	}
	return fmt.Sprintf("broken off while %s drained: %v", JoinBusy(e.Left), e.Err)
}

func (e *DrainError) Unwrap() error { return e.Err }

// drainPoll is how often a drain looks at the connections that are left.
const drainPoll = 200 * time.Millisecond

// await looks at the connections that are left until there are none, at most for so
// long, and returns those that are left then.
func await(ctx context.Context, most time.Duration, look func() ([]Busy, error)) ([]Busy, error) {
	trace, _ := ctx.Value(drainTraceKey{}).(DrainTrace)
	deadline, told := time.Now().Add(most), false
	var last []Busy
	for {
		begun := time.Now()
		left, err := look()
		switch {
		case err != nil:
			return last, &DrainError{Left: last, Err: err}
		case len(left) == 0:
			return nil, nil
		case !time.Now().Before(deadline):
			tell(trace.Over, left)
			return left, nil
		case !told && trace.Waiting != nil:
			trace.Waiting(left, most)
		case told && trace.Still != nil:
			trace.Still(left, time.Until(deadline))
		}
		last, told = left, true
		// A long table of connections is not read all the time.
		pause := min(max(drainPoll, 10*time.Since(begun)), time.Until(deadline))
		select {
		case <-ctx.Done():
			return left, &DrainError{Left: left, Err: ctx.Err()}
		case <-time.After(pause):
		}
	}
}

func tell(to func([]Busy), left []Busy) {
	if to != nil {
		to(left)
	}
}
