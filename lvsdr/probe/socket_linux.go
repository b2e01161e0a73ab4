package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// frameLen is as much of a frame as is looked at.
const frameLen = 256

// A socket is a packet socket on one interface, with a filter (packet(7)).
type socket struct {
	fd    int
	index int
}

// open attaches the filter before it binds, so that nothing comes in unfiltered.
func open(index int, filter []unix.SockFilter) (*socket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	// Answers of a hundred hosts come at once. Refused, the default will do.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("packet filter: %w", err)
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind to interface %d: %w", index, err)
	}
	return &socket{fd, index}, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// send puts frames, Ethernet headers included, on the link.
func (s *socket) send(frames ...[]byte) error {
	for _, frame := range frames {
		if len(frame) < etherLen {
			return fmt.Errorf("a frame of %d bytes has no Ethernet header", len(frame))
		}
		to := &unix.SockaddrLinklayer{
			Protocol: binary.NativeEndian.Uint16(frame[12:14]), // in network order
			Ifindex:  s.index,
			Halen:    6,
		}
		copy(to.Addr[:], frame[:6])
		if err := unix.Sendto(s.fd, frame, 0, to); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

// atOnce is how many frames are taken between two looks at the clock and the context:
// a LAN can bring them faster than they are read.
const atOnce = 64

// queued is more than the socket keeps: what has come in by the end still counts, since
// a busy machine gives us our turn late.
const queued = 4096

// receive hands each frame that comes in until the deadline to take. It comes back
// earlier when nothing comes of it within the time that patience tells.
func (s *socket) receive(ctx context.Context, deadline time.Time, take func([]byte) error, patience func() time.Duration) error {
	since, last := time.Now(), patience()
	for {
		more, err := s.drain(take, atOnce)
		if err != nil {
			return err
		}
		now := time.Now()
		if p := patience(); p != last {
			since, last = now, p
		}
		left := min(deadline.Sub(now), last-now.Sub(since))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case left <= 0:
			_, err := s.drain(take, queued)
			return err
		case more:
			continue
		}
		if err := s.sleep(left); err != nil {
			return err
		}
	}
}

// drain takes the frames that are there, at the most so many; more tells that there
// may be others.
func (s *socket) drain(take func([]byte) error, most int) (more bool, err error) {
	buffer := make([]byte, frameLen)
	for range most {
		n, _, err := unix.Recvfrom(s.fd, buffer, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			if err := take(untag(bytes.Clone(buffer[:n]))); err != nil { // what is read keeps parts of it
				return false, err
			}
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("receive: %w", err)
		}
	}
	return true, nil
}

// sleep waits for a frame for so long, and not so long that the context is forgotten.
func (s *socket) sleep(d time.Duration) error {
	const look = 20 * time.Millisecond
	ms := int(min(d, look)/time.Millisecond) + 1
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}
