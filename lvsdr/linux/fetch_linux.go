package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

const (
	fetchTime  = 3 * time.Second         // for the whole answer
	stallTime  = 1500 * time.Millisecond // without a byte: a lost segment has been sent again by then
	fetchBytes = 256 << 10               // are enough to fill every window on the way
)

// Fetch implements [host.Wire].
func (linuxWire) Fetch(ctx context.Context, from netip.AddrPort, mss int) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	c, err := fetchDialer(mss).DialContext(ctx, "tcp", from.String())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	host := from.Addr().String()
	if from.Addr().Is6() {
		host = "[" + host + "]"
	}
	request := "GET / HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: lvsdr-doctor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(c, request); err != nil {
		return 0, err
	}
	return readAnswer(ctx, c)
}

func fetchDialer(mss int) *net.Dialer {
	d := &net.Dialer{Timeout: connectTime}
	if mss > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			control := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss)
			})
			return errors.Join(control, err)
		}
	}
	return d
}

// readAnswer counts the bytes of an HTTP answer.
func readAnswer(ctx context.Context, c net.Conn) (n int64, err error) {
	const magic = "HTTP/"
	buffer := make([]byte, 16<<10)
	for n < fetchBytes {
		if err := ctx.Err(); err != nil {
			return n, err // slow, but it goes on
		}
		if err := c.SetReadDeadline(time.Now().Add(stallTime)); err != nil {
			return n, err
		}
		k, err := c.Read(buffer)
		if n == 0 && k > 0 && string(buffer[:min(k, len(magic))]) != magic[:min(k, len(magic))] {
			return 0, fmt.Errorf("%w: %q", host.ErrNoHTTP, buffer[:min(k, 20)])
		}
		n += int64(k)
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return 0, fmt.Errorf("%w: the connection was closed", host.ErrNoHTTP)
		case errors.Is(err, io.EOF):
			return n, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return n, fmt.Errorf("after %d bytes: %w", n, err)
		case err != nil:
			return n, err
		}
	}
	return n, nil
}
