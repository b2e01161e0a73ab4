package ipvs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeFamily is the family id that a fake kernel starts with.
const fakeFamily = 0x21

// fake is a kernel on the other end of a socket pair: its answers come late, in
// several datagrams, or never.
type fake struct {
	fd     int
	mu     sync.Mutex // held while answering
	family uint16
	// answer returns the datagrams that answer one message, but for the
	// controller's, which are answered with the family.
	answer func(m message) [][]byte
}

func newFake(t *testing.T, answer func(message) [][]byte) (*Client, *fake) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	k := &fake{fd: fds[1], family: fakeFamily, answer: answer}
	done := make(chan struct{})
	go func() { defer close(done); k.serve() }()
	c := newClient(newSocket(fds[0]))
	t.Cleanup(func() {
		_ = c.Close()
		<-done
		_ = unix.Close(fds[1])
	})
	return c, k
}

func (k *fake) serve() {
	b := make([]byte, 1<<20)
	for {
		n, err := unix.Read(k.fd, b)
		if n <= 0 || err != nil {
			return
		}
		for request := b[:n]; len(request) > 0; {
			var m message
			if m, request, err = cutMessage(request); err != nil {
				return
			}
			for _, datagram := range k.reply(m) {
				if _, err := unix.Write(k.fd, datagram); err != nil {
					return
				}
			}
		}
	}
}

// look calls f while nothing is being answered.
func (k *fake) look(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

func (k *fake) reply(m message) [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case m.typ == controlID && k.family == 0:
		return refuse(m, syscall.ENOENT)
	case m.typ == controlID:
		b := openMessage(nil, controlID, 0, m.seq, 1)
		b = appendString(b, controlFamilyName, familyName)
		b = appendUint16(b, controlFamilyID, k.family)
		closeMessage(b, 0)
		if m.flags&flagDump == flagDump {
			native.PutUint16(b[6:], flagMulti)
			return [][]byte{b, end(m, 0)}
		}
		return [][]byte{b}
	case m.typ != k.family:
		return refuse(m, syscall.ENOENT)
	}
	return k.answer(m)
}

// refuse answers with an errno, 0 to acknowledge.
func refuse(m message, errno syscall.Errno) [][]byte {
	b := openMessage(nil, msgError, flagCapped, m.seq, 0)[:headerLen]
	b = native.AppendUint32(b, uint32(-int32(errno)))
	b = append(b, make([]byte, headerLen)...)
	closeMessage(b, 0)
	return [][]byte{b}
}

// end ends a dump.
func end(m message, flags uint16) []byte {
	b := openMessage(nil, msgDone, flagMulti|flags, m.seq, 0)[:headerLen]
	b = native.AppendUint32(b, 0)
	closeMessage(b, 0)
	return b
}

// tell is a message of a dump of services.
func tell(m message, flags uint16, ids ...ID) []byte {
	var b []byte
	for _, id := range ids {
		start := len(b)
		b = openMessage(b, m.typ, flagMulti|flags, m.seq, cmdNewService)
		b = appendService(b, &Service{ID: id, Scheduler: "rr"}, true)
		closeMessage(b, start)
	}
	return b
}

func port443() ID { id := web; id.Port = 443; return id }

func TestDumpInPieces(t *testing.T) {
	c, _ := newFake(t, func(m message) [][]byte {
		stale := m
		stale.seq--
		return [][]byte{tell(stale, 0, ID{vip6, 1, TCP, 0}), tell(m, 0, port443()), tell(m, 0, web), end(m, 0)}
	})
	got, err := c.Services(t.Context(), Plain)
	if err != nil || len(got) != 2 || got[0].ID != web || got[1].ID != port443() {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestDumpAgain: what the kernel could not answer just then is asked again.
func TestDumpAgain(t *testing.T) {
	for name, first := range map[string]func(m message) [][]byte{
		"interrupted":       func(m message) [][]byte { return [][]byte{tell(m, flagDumpInterrupt, web), end(m, 0)} },
		"interrupted late":  func(m message) [][]byte { return [][]byte{tell(m, 0, web), end(m, flagDumpInterrupt)} },
		"busy":              func(m message) [][]byte { return refuse(m, syscall.EBUSY) },
		"no buffer":         func(m message) [][]byte { return refuse(m, syscall.ENOBUFS) },
		"left one out":      func(m message) [][]byte { return [][]byte{tell(m, 0, web), tell(m, 0), end(m, 0)} },
		"another family id": nil,
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			c, k := newFake(t, nil)
			k.look(func() {
				k.answer = func(m message) [][]byte {
					if asked++; asked == 1 && first != nil {
						return first(m)
					}
					return [][]byte{tell(m, 0, port443()), end(m, 0)}
				}
			})
			if first == nil {
				c.family = 0x20
			}
			got, err := c.Services(t.Context(), Plain)
			if err != nil || len(got) != 1 || got[0].ID != port443() {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestDumpGivesUp(t *testing.T) {
	c, _ := newFake(t, func(m message) [][]byte { return [][]byte{end(m, flagDumpInterrupt)} })
	if _, err := c.Services(t.Context(), Plain); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	c, _ = newFake(t, func(m message) [][]byte { return refuse(m, syscall.EPERM) })
	if _, err := c.Services(t.Context(), Plain); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	c, _ = newFake(t, func(m message) [][]byte { return [][]byte{{1, 2, 3}} })
	if _, err := c.Services(t.Context(), Plain); !errors.Is(err, errMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestNoIPVS(t *testing.T) {
	c, k := newFake(t, nil)
	k.look(func() { k.family = 0 })
	if _, err := c.Services(t.Context(), Plain); !errors.Is(err, ErrNoIPVS) {
		t.Errorf("Services: %v", err)
	}
	c.family = fakeFamily // there when it was last looked for
	done, err := c.Apply(t.Context(), []Command{{Op: RemoveService, Service: &Service{ID: web}}})
	if done != 0 || !errors.Is(err, ErrNoIPVS) {
		t.Errorf("Apply: %d, %v", done, err)
	}
}

// TestLostAnswer: a call whose answer never comes ends with its context, or after
// a while; an answer that comes after all does not disturb the next call.
func TestLostAnswer(t *testing.T) {
	var owed [][]byte
	silent := true
	c, k := newFake(t, func(m message) [][]byte {
		answer := [][]byte{tell(m, 0, web), end(m, 0)}
		if silent {
			owed = append(owed, answer...)
			return nil
		}
		return append(owed, answer...)
	})
	if err := c.resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := c.Services(ctx, Plain); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	c.sock.patience = time.Millisecond
	done, err := c.Apply(t.Context(), []Command{{Op: RemoveService, Service: &Service{ID: web}}})
	if done != 0 || !errors.Is(err, ErrLost) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("lost: %d, %v", done, err)
	}
	c.sock.patience = replyTimeout
	k.look(func() { silent = false })
	got, err := c.Services(t.Context(), Plain)
	if err != nil || len(got) != 1 {
		t.Errorf("after it: %v, %v", got, err)
	}
}

// commands returns n removals of services that differ by port.
func commands(n int) []Command {
	list := make([]Command, n)
	for i := range list {
		list[i] = Command{Op: RemoveService, Service: &Service{ID: ID{vip, uint16(i), TCP, 0}}}
	}
	return list
}

// carries is a kernel that carries out everything but the commands on the ports
// that it refuses.
func carries(done *[]uint16, refused ...uint16) func(message) [][]byte {
	return func(m message) [][]byte {
		s, err := readService(m.payload, Plain)
		if err != nil {
			return refuse(m, syscall.EINVAL)
		}
		if slices.Contains(refused, s.Port) {
			return refuse(m, syscall.ESRCH)
		}
		*done = append(*done, s.Port)
		if m.flags&flagAck != 0 {
			return refuse(m, 0)
		}
		return nil
	}
}

func TestApplyTellsExactly(t *testing.T) {
	const n = 3*BatchSize + 7
	refused := []uint16{5, 6, BatchSize - 1, BatchSize, 2*BatchSize + 3, n - 1}
	invalid := []uint16{0, 2*BatchSize - 1, n - 2}
	var carried []uint16
	c, k := newFake(t, carries(&carried, refused...))
	list := commands(n)
	for _, i := range invalid {
		list[i].Service = nil
	}
	done, err := c.Apply(t.Context(), list)
	var all *ApplyError
	if !errors.As(err, &all) || done != 0 || all.Attempted != n || all.Err != nil {
		t.Fatalf("%d, %+v", done, err)
	}
	want := append(slices.Clone(refused), invalid...)
	slices.Sort(want)
	var got []uint16
	for _, r := range all.Refused {
		got = append(got, uint16(r.Index))
		if r.Command.Service != list[r.Index].Service {
			t.Errorf("command %d is not the one given", r.Index)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
	k.look(func() {
		if len(carried) != n-len(want) {
			t.Errorf("%d carried out, want %d", len(carried), n-len(want))
		}
	})
}

func TestApplyBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newFake(t, func(m message) [][]byte {
		cancel()
		if m.flags&flagAck != 0 {
			return refuse(m, 0)
		}
		return nil
	})
	if err := c.resolve(ctx); err != nil {
		t.Fatal(err)
	}
	done, err := c.Apply(ctx, commands(2*BatchSize))
	var all *ApplyError
	switch {
	case !errors.Is(err, context.Canceled) || !errors.As(err, &all):
		t.Errorf("%d, %v", done, err)
	case errors.Is(err, ErrLost):
		if done != 0 || all.Attempted != 0 { // the context ended before the answer was there
			t.Errorf("lost: %d, %+v", done, all)
		}
	case done != BatchSize || all.Attempted != BatchSize:
		t.Errorf("%d, %+v", done, all)
	}
}

func TestApplyWithoutRight(t *testing.T) {
	c, _ := newFake(t, func(m message) [][]byte { return refuse(m, syscall.EPERM) })
	done, err := c.Apply(t.Context(), commands(5*BatchSize))
	var all *ApplyError
	if !errors.As(err, &all) || done != 0 || all.Attempted != BatchSize || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%d, %v", done, err)
	}
}

// TestApplyReloaded: a batch that met a family id of before is sent again, and
// real absence is told as such.
func TestApplyReloaded(t *testing.T) {
	var carried []uint16
	c, k := newFake(t, carries(&carried))
	c.family = 0x20
	done, err := c.Apply(t.Context(), commands(BatchSize+1))
	k.look(func() {
		if done != BatchSize+1 || err != nil || len(carried) != BatchSize+1 {
			t.Errorf("%d, %v, %d carried out", done, err, len(carried))
		}
	})
	asked := 0
	c, k = newFake(t, func(m message) [][]byte { asked++; return refuse(m, syscall.ENOENT) })
	done, err = c.Apply(t.Context(), commands(2))
	k.look(func() {
		if done != 0 || !errors.Is(err, syscall.ENOENT) || errors.Is(err, ErrNoIPVS) || asked != 2 {
			t.Errorf("%d, %v, asked %d times", done, err, asked)
		}
	})
}

func TestClosed(t *testing.T) {
	c, _ := newFake(t, nil)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err1 := c.Services(t.Context(), Plain)
	_, err2 := c.Apply(t.Context(), commands(1))
	for _, err := range []error{err1, err2, c.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func TestSeveralGoroutines(t *testing.T) {
	c, _ := newFake(t, func(m message) [][]byte {
		if m.flags&flagDump == flagDump {
			return [][]byte{tell(m, 0, web), end(m, 0)}
		}
		return refuse(m, 0)
	})
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 20 {
				if got, err := c.Services(t.Context(), Plain); err != nil || len(got) != 1 {
					t.Errorf("Services: %v, %v", got, err)
				}
				if done, err := c.Apply(t.Context(), commands(3)); err != nil || done != 3 {
					t.Errorf("Apply: %d, %v", done, err)
				}
			}
		}()
	}
	group.Wait()
}
