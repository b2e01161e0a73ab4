package ipvs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// slotSize is the size of the pieces in which the kernel hands out a dump:
	// two pages less struct skb_shared_info, and what it uses at least where pages
	// are larger than that (NLMSG_GOODSIZE). Offered 32 KiB, the most, it clears so
	// much for each piece, which for the few real servers of most services costs a
	// quarter more; offered less, it makes more pieces.
	slotSize = 8192 - 320
	slots    = 16

	// few is what most answers consist of: one piece and the end. To ask for more
	// takes the kernel as long as to find that there is nothing.
	few = 2

	// receiveBuffer holds the answers to several batches of refused commands.
	receiveBuffer = 1 << 20

	// The kernel handles a request while it is being sent, so that an answer that
	// is not there at once is lost, or the kernel is short of memory.
	replyTimeout = 5 * time.Second
	pollInterval = 50 * time.Millisecond
)

// socket is a generic netlink socket connected to the kernel: messages of other
// processes do not reach it. Several datagrams are received by one system call.
type socket struct {
	fd      int
	headers [slots]mmsghdr
	iovecs  [slots]unix.Iovec
	buffer  []byte
	n, next int // datagrams received, and the first of them not yet taken
	ask     int // how many to ask for at once

	patience time.Duration
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// dial opens a socket in the calling thread's network namespace.
func dial() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	setOptions(fd)
	return newSocket(fd), nil
}

func newSocket(fd int) *socket {
	s := &socket{fd: fd, buffer: make([]byte, slots*slotSize), ask: slots, patience: replyTimeout}
	for i := range s.headers {
		s.iovecs[i].Base = &s.buffer[i*slotSize]
		s.iovecs[i].SetLen(slotSize)
		s.headers[i].Iov = &s.iovecs[i]
		s.headers[i].SetIovlen(1)
	}
	return s
}

// setOptions asks for what makes errors better and shorter, and does without
// where the kernel or the caller's rights do not allow it.
func setOptions(fd int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
}

func (s *socket) close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }

// send hands messages to the kernel, which has handled them when it returns.
// Datagrams received before are forgotten.
func (s *socket) send(b []byte) error {
	s.n, s.next, s.ask = 0, 0, few
	for {
		_, err := unix.Write(s.fd, b)
		if err != unix.EINTR {
			return os.NewSyscallError("send", err)
		}
	}
}

// datagram returns the next datagram, valid until the next call.
func (s *socket) datagram(ctx context.Context) ([]byte, error) {
	for s.next == s.n {
		err := s.receive()
		if errors.Is(err, unix.EAGAIN) {
			err = s.wait(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	h := &s.headers[s.next]
	b := s.buffer[s.next*slotSize:][:h.n]
	s.next++
	if h.Flags&unix.MSG_TRUNC != 0 {
		return nil, fmt.Errorf("a datagram of more than %d bytes: %w", slotSize, errMalformed)
	}
	return b, nil
}

// receive takes what is there without waiting.
func (s *socket) receive() error {
	s.n, s.next = 0, 0
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.headers[0])),
			uintptr(s.ask), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			if s.n = int(n); s.n == s.ask {
				s.ask = slots
			}
			return nil
		case unix.EINTR:
		default:
			return os.NewSyscallError("recvmmsg", errno)
		}
	}
}

// wait waits until there is a datagram, the context ends or patience does.
func (s *socket) wait(ctx context.Context) error {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(s.patience); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll(fds, int(pollInterval/time.Millisecond))
		switch {
		case err != nil && err != unix.EINTR:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("no answer from the kernel in %v: %w", s.patience, os.ErrDeadlineExceeded)
		}
	}
}

// drain brings a dump that was not read to its end there, and forgets every
// answer that is still queued.
func (s *socket) drain() {
	for {
		err := s.receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			break
		}
	}
	s.n, s.next = 0, 0
}
