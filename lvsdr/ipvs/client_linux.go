package ipvs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// maxAttempts bounds how often a request is repeated that the kernel could not
// answer just then: a dump that a change interrupted, a dump while an earlier
// one has not been read to its end, a full receive buffer, a reloaded module.
const maxAttempts = 5

// A Client talks to the IPVS of the network namespace of the thread that opened
// it, whichever thread uses it. It may be used by several goroutines, which take
// turns. A context that ends while the kernel owes an answer ends the call; the
// kernel itself cannot be interrupted.
//
// The kernel wants CAP_NET_ADMIN for everything, reading included; errors are
// then [fs.ErrPermission].
type Client struct {
	mu      sync.Mutex
	sock    *socket
	cleanup runtime.Cleanup
	closed  bool
	family  uint16 // 0: not asked for yet, or found gone
	seq     uint32 // of the last message sent
	request []byte // reused
	dirty   bool   // answers to an earlier request may still come
	// datagrams is how many the last answer took: a dump in one piece is one,
	// and one with the end.
	datagrams int
	svcs      services
	dests     destinations
}

// Open opens a client. It fails with [ErrNoIPVS], and loads nothing, when ip_vs
// is neither built in nor loaded. A module that is loaded anew later is found
// again.
func Open() (*Client, error) {
	c, err := Dial()
	if err != nil {
		return nil, err
	}
	if err := c.resolve(context.Background()); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("ipvs: open: %w", err)
	}
	return c, nil
}

// Dial is Open for a kernel whose IPVS may be loaded later: until then every
// call fails with [ErrNoIPVS].
func Dial() (*Client, error) {
	sock, err := dial()
	if err != nil {
		return nil, fmt.Errorf("ipvs: open: %w", err)
	}
	return newClient(sock), nil
}

func newClient(sock *socket) *Client {
	c := &Client{sock: sock}
	c.cleanup = runtime.AddCleanup(c, func(fd int) { _ = unix.Close(fd) }, sock.fd)
	return c
}

// Close closes the client; calls after it fail with [fs.ErrClosed].
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fs.ErrClosed
	}
	c.closed = true
	c.cleanup.Stop()
	return c.sock.close()
}

// resolve finds IPVS's generic netlink family. To ask for one by name makes the
// kernel load the module, so it asks so only where ip_vs is already; where sysfs
// shows none (or is not mounted) it looks through all families.
func (c *Client) resolve(ctx context.Context) error {
	c.family = 0
	flags := uint16(0)
	if _, err := os.Stat("/sys/module/ip_vs"); err != nil {
		flags = flagDump
	}
	c.open(controlID, flags, controlGetFamily)
	if flags == 0 {
		c.request = appendString(c.request, controlFamilyName, familyName)
	}
	families := families{}
	err := c.exchange(ctx, &families)
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && refusal.Errno == unix.ENOENT:
		return ErrNoIPVS
	case err != nil:
		return err
	case families.id == 0:
		return ErrNoIPVS
	}
	c.family = families.id
	return nil
}

// families collects the id of IPVS out of the controller's answers.
type families struct{ id uint16 }

func (f *families) reset() { f.id = 0 }

func (f *families) add(payload []byte) error {
	name, err := decodeFamilyName(payload)
	if err != nil || name != familyName {
		return err
	}
	f.id, err = decodeFamilyID(payload)
	return err
}

// A collector takes the payloads of an answer. It is reset before an answer is
// asked for anew.
type collector interface {
	reset()
	add(payload []byte) error
}

// open starts a request in the reused buffer. The caller appends attributes.
func (c *Client) open(family, flags uint16, cmd uint8) {
	c.request = openMessage(c.request[:0], family, flags, 0, cmd)
}

// query sends the request to IPVS and collects the answer, again where the
// kernel could not give one just then.
func (c *Client) query(ctx context.Context, into collector) error {
	if c.closed {
		return fs.ErrClosed
	}
	var err error
	for range maxAttempts {
		if err = c.aim(ctx); err != nil {
			return err
		}
		err = c.exchange(ctx, into)
		switch {
		case errors.Is(err, unix.EBUSY), errors.Is(err, unix.ENOBUFS), errors.Is(err, errInterrupted):
			c.dirty = true
		case errors.Is(err, unix.ENOENT): // an id that is no family's: the module is gone, or back with another
			c.family = 0
		default:
			return err
		}
	}
	return err
}

// aim puts the family into the request, finding it first when it is not known.
func (c *Client) aim(ctx context.Context) error {
	if c.family == 0 {
		request := c.request
		c.request = nil
		err := c.resolve(ctx)
		c.request = request
		if err != nil {
			return err
		}
	}
	native.PutUint16(c.request[4:], c.family)
	return nil
}

// exchange sends the request with the next sequence number and collects the
// answer to it.
func (c *Client) exchange(ctx context.Context, into collector) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.seq++
	native.PutUint32(c.request[8:], c.seq)
	closeMessage(c.request, 0)
	into.reset()
	if err := c.send(c.request); err != nil {
		return err
	}
	interrupted := false
	err := c.answers(ctx, func(m message) (bool, error) {
		if m.seq != c.seq {
			return false, nil
		}
		interrupted = interrupted || m.flags&flagDumpInterrupt != 0
		switch m.typ {
		case msgError, msgDone:
			return true, decodeError(m)
		}
		return m.flags&flagMulti == 0, into.add(m.payload)
	})
	if err == nil && interrupted {
		err = errInterrupted
	}
	return err
}

// send sends what is in b, after everything owed to an earlier request is gone.
func (c *Client) send(b []byte) error {
	if c.dirty {
		c.sock.drain()
		c.dirty = false
	}
	return c.sock.send(b)
}

// answers gives every message to f until f is done or fails. Answers to earlier
// requests may be among them.
func (c *Client) answers(ctx context.Context, f func(message) (done bool, err error)) error {
	c.dirty, c.datagrams = true, 0
	for {
		b, err := c.sock.datagram(ctx)
		c.datagrams++
		for err == nil && len(b) > 0 {
			var m message
			var done bool
			if m, b, err = cutMessage(b); err != nil {
				break
			}
			if done, err = f(m); done {
				c.dirty = false
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}
