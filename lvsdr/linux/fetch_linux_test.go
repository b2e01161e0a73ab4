package linux

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// serve answers every connection on a port of its own: what it gets is thrown away.
func serve(t *testing.T, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.Read(make([]byte, 4096))
				answer(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestFetch(t *testing.T) {
	const head = "HTTP/1.0 200 OK\r\n\r\n"
	stalled := make(chan bool)
	t.Cleanup(func() { close(stalled) })
	tests := []struct {
		name   string
		answer func(net.Conn)
		bytes  int64
		err    error
	}{
		{"whole", func(c net.Conn) { c.Write([]byte(head + strings.Repeat("x", 100000))) }, int64(len(head)) + 100000, nil},
		{"endless", func(c net.Conn) {
			c.Write([]byte(head))
			for err := error(nil); err == nil; {
				_, err = c.Write(make([]byte, 1<<16))
			}
		}, fetchBytes, nil},
		{"stalled", func(c net.Conn) { c.Write([]byte(head)); <-stalled }, int64(len(head)), os.ErrDeadlineExceeded},
		{"silent", func(net.Conn) { <-stalled }, 0, os.ErrDeadlineExceeded},
		{"closed", func(net.Conn) {}, 0, host.ErrNoHTTP},
		{"SSH", func(c net.Conn) { c.Write([]byte("SSH-2.0-x\r\n")) }, 0, host.ErrNoHTTP},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, mss := range []int{0, 536} {
				n, err := linuxWire{}.Fetch(t.Context(), serve(t, test.answer), mss)
				if !errors.Is(err, test.err) || n < test.bytes || n > test.bytes+1<<16 {
					t.Errorf("mss %d: %d bytes, %v; want %d, %v", mss, n, err, test.bytes, test.err)
				}
			}
		})
	}
}

func TestFetchEnds(t *testing.T) {
	from := serve(t, func(c net.Conn) { c.Read(make([]byte, 1)) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := (linuxWire{}).Fetch(ctx, from, 0); err == nil {
		t.Error("no error though it was cancelled")
	}
}
