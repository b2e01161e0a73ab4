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

// receive hands each frame that comes in until the deadline to take. It comes back
// earlier when nothing comes of it within the time that patience tells.
func (s *socket) receive(ctx context.Context, deadline time.Time, take func([]byte) error, patience func() time.Duration) error {
	buffer := make([]byte, frameLen)
	since, last := time.Now(), patience()
	for {
		n, _, err := unix.Recvfrom(s.fd, buffer, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			if err := take(bytes.Clone(buffer[:n])); err != nil { // what is read keeps parts of it
				return err
			}
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("receive: %w", err)
		}
		now := time.Now()
		if p := patience(); p != last {
			since, last = now, p
		}
		left := min(deadline.Sub(now), last-now.Sub(since))
		if left <= 0 {
			return ctx.Err()
		}
		if err := s.sleep(ctx, left); err != nil {
			return err
		}
	}
}

// sleep waits for a frame for so long, and looks at the context in between.
func (s *socket) sleep(ctx context.Context, d time.Duration) error {
	const look = 20 * time.Millisecond
	if err := ctx.Err(); err != nil {
		return err
	}
	ms := int(min(d, look)/time.Millisecond) + 1
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}
