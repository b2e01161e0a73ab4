package linux

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// What comes to an address and port that are quiet is not answered, and is again when it
// is over; an address that this host has not got does no harm.
func TestQuiet(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err)
			continue
		}
		at := l.Addr().String()
		l.Close()
		dial := func() error {
			c, err := net.DialTimeout("tcp", at, 300*time.Millisecond)
			if err == nil {
				c.Close()
			}
			return err
		}
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("before: %v", err)
		}
		answer, err := vips.Quiet(t.Context(), []netip.AddrPort{netip.MustParseAddrPort(at), netip.MustParseAddrPort("192.0.2.22:80"), netip.MustParseAddrPort("[2001:db8::22]:80")})
		if err != nil {
			t.Fatal(err)
		}
		var late net.Error
		if err := dial(); !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("%s is not quiet: %v", at, err)
		}
		begun := time.Now()
		answer(200 * time.Millisecond)
		if took := time.Since(begun); took < 200*time.Millisecond {
			t.Errorf("it answered after %v", took)
		}
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("afterwards: %v", err)
		}
	}
}

// A port at which a program listens goes on.
func TestQuietLeavesListeners(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answer, err := vips.Quiet(t.Context(), []netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	defer answer(0)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
