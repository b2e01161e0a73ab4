package ipvs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// BatchSize is how many commands are handed to the kernel at once. A batch costs
// two system calls; more commands in one gain nothing that can be measured.
const BatchSize = 128

// Apply carries out the commands in their order. It does not stop at one that
// the kernel refuses, because there is no transaction to take back: all the
// others are carried out. It returns how many commands took effect before the
// first that did not, and then an [*ApplyError], which says exactly what became
// of the rest. A caller for whom some commands are only safe after others calls
// Apply twice.
//
// It goes not on to the end when the context ends between two batches, when the
// caller lacks the right, when IPVS is gone, or when the kernel's answers are
// lost ([ErrLost]).
//
// The module of a service's scheduler, ip_vs_<scheduler>, must be loaded
// already: a kernel that loads it in the middle of the command can lock up for
// ever when a network namespace is being removed at that moment.
func (c *Client) Apply(ctx context.Context, commands []Command) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var result ApplyError
	for result.Attempted < len(commands) && result.Err == nil {
		c.batch(ctx, commands, &result)
	}
	switch {
	case len(result.Refused) > 0:
		return result.Refused[0].Index, &result
	case result.Err != nil:
		return result.Attempted, &result
	}
	return len(commands), nil
}

// batch carries out the next commands, and writes down what became of them.
func (c *Client) batch(ctx context.Context, commands []Command, result *ApplyError) {
	if result.Err = c.ready(ctx); result.Err != nil {
		return
	}
	start := result.Attempted
	end := min(start+BatchSize, len(commands))
	refused, err := c.carryOut(ctx, commands[start:end])
	if len(refused) == end-start && slices.ContainsFunc(refused, isAbsence) {
		var again bool
		if again, err = c.moved(ctx); again {
			refused, err = c.carryOut(ctx, commands[start:end])
		}
	}
	if err != nil {
		result.Err = err
		return
	}
	result.Attempted = end
	for _, r := range refused {
		result.Refused = append(result.Refused, &CommandError{start + r.at, commands[start+r.at], r.err})
		if errors.Is(r.err, fs.ErrPermission) {
			result.Err = r.err // so would all the others be
		}
	}
}

// ready makes sure that a batch can be built.
func (c *Client) ready(ctx context.Context) error {
	switch {
	case c.closed:
		return fs.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case c.family == 0:
		return c.resolve(ctx)
	}
	return nil
}

// refusal is the error of the command at an index of a batch.
type refusal struct {
	at  int
	err error
}

// isAbsence tells a refusal with ENOENT. All commands of a batch get it when the
// module is gone or has come back with another family id, which the kernel does
// not let happen in the middle of a batch.
func isAbsence(r refusal) bool { return errors.Is(r.err, unix.ENOENT) }

// moved tells whether IPVS has got another family id, and fails with ErrNoIPVS
// when it is gone.
func (c *Client) moved(ctx context.Context) (bool, error) {
	before := c.family
	err := c.resolve(ctx)
	return err == nil && c.family != before, err
}

// carryOut sends the commands as one batch, only the last of which is to be
// acknowledged: errors are told in any case, with the sequence number of their
// command, before that. An error of its own means that nothing was sent, or with
// ErrLost that nothing is known.
func (c *Client) carryOut(ctx context.Context, commands []Command) ([]refusal, error) {
	refused, last := c.encode(commands)
	if last < 0 {
		return refused, nil
	}
	first := c.seq + 1
	c.seq += uint32(len(commands))
	if err := c.send(c.request); err != nil {
		return nil, err
	}
	err := c.answers(ctx, func(m message) (bool, error) {
		at := m.seq - first
		if at > uint32(last) || m.typ != msgError {
			return false, nil
		}
		if err := decodeError(m); err != nil {
			refused = append(refused, refusal{int(at), err})
		}
		return at == uint32(last), nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	slices.SortFunc(refused, func(a, b refusal) int { return cmp.Compare(a.at, b.at) })
	return refused, nil
}

// encode builds the batch into c.request and returns the commands that cannot be
// sent, and the index of the last that can, -1 if none.
func (c *Client) encode(commands []Command) (refused []refusal, last int) {
	c.request = c.request[:0]
	last = -1
	lastStart := 0
	for i, command := range commands {
		start := len(c.request)
		var err error
		c.request, err = appendCommand(c.request, command, c.family, c.seq+1+uint32(i))
		if err != nil {
			refused = append(refused, refusal{i, err})
			continue
		}
		last, lastStart = i, start
	}
	if last >= 0 {
		native.PutUint16(c.request[lastStart+6:], flagRequest|flagAck)
	}
	return refused, last
}
