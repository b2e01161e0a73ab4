//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// What the clients of the changes part do: each keeps a connection for so many requests,
// one a period, and then begins the next.
const (
	loadClients  = 50
	loadRequests = 5
	loadPeriod   = 200 * time.Millisecond
	loadPatience = 5 * time.Second // a request unanswered by then has failed
)

// A load is a process with all those clients, one thread as the client of the path part.
type load struct {
	cmd *exec.Cmd
	end io.Closer
	out bytes.Buffer
}

// startLoad starts clients of the VIP, and returns when they are at work.
func startLoad(ctx context.Context, client *lab.Host) (*load, error) {
	l := &load{cmd: pathCommand(ctx, "load", vip80.String())}
	l.cmd.Stdout = &l.out
	end, err := l.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	l.end = end
	if err := client.Start(l.cmd); err != nil {
		return nil, err
	}
	time.Sleep(2 * loadPeriod)
	return l, nil
}

// stop lets the requests on the way end, and returns how many there were in all and how
// many failed.
func (l *load) stop() (all, failed int64, err error) {
	l.end.Close()
	if err := l.cmd.Wait(); err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(l.out.String(), &all, &failed); err != nil {
		return 0, 0, fmt.Errorf("the clients say %q: %w", l.out.String(), err)
	}
	return all, failed, nil
}

// A visitor is one client.
type visitor struct {
	fd    int // 0: none
	left  int // requests on this connection
	state visitorState
	until time.Time // when the pause, or the patience, ends
	have  []byte    // of the answer
}

type visitorState int

const (
	pausing visitorState = iota
	connecting
	waiting
)

// visitors are all of them.
type visitors struct {
	to          *unix.SockaddrInet4
	poll        int
	each        []visitor
	byFD        map[int]int
	buffer      []byte
	all, failed int64
}

// visit runs the clients until standard input ends, and prints how many requests there
// were and how many failed.
func visit(to netip.AddrPort) error {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	v := &visitors{to: &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, poll: poll,
		each: make([]visitor, loadClients), byFD: map[int]int{}, buffer: make([]byte, 4<<10)}
	if err := v.watch(unix.EPOLL_CTL_ADD, int(os.Stdin.Fd()), unix.EPOLLIN); err != nil {
		return err
	}
	for i := range v.each {
		v.each[i].until = time.Now().Add(loadPeriod * time.Duration(i) / loadClients)
	}
	if err := v.run(); err != nil {
		return err
	}
	_, err = fmt.Println(v.all, v.failed)
	return err
}

func (v *visitors) watch(op, fd int, events uint32) error {
	return unix.EpollCtl(v.poll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (v *visitors) run() error {
	ended := false
	events := make([]unix.EpollEvent, 64)
	for {
		next, busy := v.due(ended)
		if ended && !busy {
			return nil
		}
		n, err := call6(unix.SYS_EPOLL_PWAIT, uintptr(v.poll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
			uintptr(max(time.Until(next).Milliseconds()+1, 0)))
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if i, ok := v.byFD[int(e.Fd)]; ok {
				v.ready(i)
			} else if int(e.Fd) == int(os.Stdin.Fd()) {
				ended = true
				if err := v.watch(unix.EPOLL_CTL_DEL, int(e.Fd), 0); err != nil {
					return err
				}
			}
		}
	}
}

// due does what the time has come for, and returns when it comes next, and whether a
// request is on its way.
func (v *visitors) due(ended bool) (next time.Time, busy bool) {
	now := time.Now()
	next = now.Add(time.Second)
	for i := range v.each {
		x := &v.each[i]
		if !now.Before(x.until) {
			switch {
			case x.state != pausing:
				v.fail(i) // nobody has answered
			case !ended:
				v.begin(i)
			}
		}
		if x.state != pausing || !ended {
			busy = busy || x.state != pausing
			if x.until.Before(next) {
				next = x.until
			}
		}
	}
	return next, busy
}

// begin makes the next request of a client, on a new connection where it has none.
func (v *visitors) begin(i int) {
	x := &v.each[i]
	x.until = time.Now().Add(loadPatience)
	v.all++
	if x.fd != 0 {
		v.ask(i)
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		v.fail(i)
		return
	}
	x.fd, x.left, x.state = fd, loadRequests, connecting
	v.byFD[fd] = i
	if err := v.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLOUT); err != nil {
		v.fail(i)
		return
	}
	if err := unix.Connect(fd, v.to); err != nil && err != unix.EINPROGRESS {
		v.fail(i)
	}
}

func (v *visitors) ask(i int) {
	x := &v.each[i]
	x.state, x.have = waiting, x.have[:0]
	if writeAll(x.fd, []byte("GET /128 HTTP/1.1\r\nHost: cluster\r\n\r\n")) != nil {
		v.fail(i)
	}
}

// ready goes on where the kernel has something for a client.
func (v *visitors) ready(i int) {
	x := &v.each[i]
	if x.state == connecting {
		if code, err := unix.GetsockoptInt(x.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 || v.watch(unix.EPOLL_CTL_MOD, x.fd, unix.EPOLLIN) != nil {
			v.fail(i)
			return
		}
		v.ask(i)
		return
	}
	n, err := readSome(x.fd, v.buffer)
	if err != nil || n == 0 { // between requests too: the next one would be lost
		if x.state == pausing {
			v.all++
		}
		v.fail(i)
		return
	}
	x.have = append(x.have, v.buffer[:n]...)
	if whole := wholeLength(x.have); whole < 0 || len(x.have) < whole {
		return
	}
	if x.left--; x.left == 0 {
		v.hangUp(i)
	}
	x.state, x.until = pausing, time.Now().Add(loadPeriod)
}

func (v *visitors) fail(i int) {
	v.failed++
	v.hangUp(i)
	v.each[i].state, v.each[i].until = pausing, time.Now().Add(loadPeriod)
}

func (v *visitors) hangUp(i int) {
	x := &v.each[i]
	if x.fd != 0 {
		delete(v.byFD, x.fd)
		unix.Close(x.fd)
		x.fd = 0
	}
}
