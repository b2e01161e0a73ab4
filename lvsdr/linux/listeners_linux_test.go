package linux_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"golang.org/x/sys/unix"
)

// observerNetns is a host with a LAN.
func observerNetns(t *testing.T) {
	t.Helper()
	lab.OwnNetns(t, "cable eth0 far0",
		"link set lo up",
		"addr add 10.10.10.31/24 dev eth0",
		"addr add fd00:10::31/64 dev eth0 nodad")
}

// openSocket binds a socket in the calling thread's namespace; one of TCP listens.
func openSocket(t *testing.T, kind int, at string, options ...int) {
	t.Helper()
	addr := netip.MustParseAddrPort(at)
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()})
	if addr.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	for _, o := range options {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, o, 1)
	}
	if err == nil {
		err = unix.Bind(fd, to)
	}
	if err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
}

// socketsTell tells whether one process may ask another's sockets (pidfd_getfd(2)).
// The system call filter of systemd-nspawn refuses it, even to one that may trace:
// there a wildcard of IPv6 is taken for one that takes IPv4 too.
func socketsTell(t *testing.T) bool {
	t.Helper()
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Log("pidfd_open: ", err)
		return false
	}
	defer unix.Close(self)
	fd, err := unix.PidfdGetfd(self, 0, 0)
	if err != nil {
		t.Log("pidfd_getfd: ", err)
		return false
	}
	unix.Close(fd)
	return true
}

func TestListeners(t *testing.T) {
	observerNetns(t)
	if all, err := (linux.Local().Observer).Listeners(t.Context()); err != nil || len(all) > 0 {
		t.Fatalf("a new namespace: %v, %v", all, err)
	}
	openSocket(t, unix.SOCK_STREAM, "0.0.0.0:80")
	openSocket(t, unix.SOCK_STREAM, "10.10.10.31:81")
	openSocket(t, unix.SOCK_STREAM, "[::]:82")
	openSocket(t, unix.SOCK_STREAM, "[::]:83", unix.IPV6_V6ONLY)
	openSocket(t, unix.SOCK_STREAM, "[fd00:10::31]:84")
	openSocket(t, unix.SOCK_STREAM, "[::ffff:10.10.10.31]:85")
	openSocket(t, unix.SOCK_DGRAM, "127.0.0.1:53")
	openSocket(t, unix.SOCK_DGRAM, "[::]:54")
	all, err := linux.Local().Observer.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range all {
		if !strings.HasSuffix(l.Process, fmt.Sprintf("[%d]", os.Getpid())) {
			t.Errorf("not mine: %+v", l)
		}
		if l.Unsure != (l.Addr == netip.IPv6Unspecified() && !socketsTell(t)) {
			t.Errorf("what could not be asked is taken for certain, or the other way round: %+v", l)
		}
		got = append(got, fmt.Sprintf("%v %v %v", l.Protocol, netip.AddrPortFrom(l.Addr, l.Port), l.Both))
	}
	only := fmt.Sprintf("tcp [::]:83 %v", !socketsTell(t))
	want := []string{
		"tcp 0.0.0.0:80 false", "tcp 10.10.10.31:81 false", "tcp 10.10.10.31:85 false", "tcp [::]:82 true",
		only, "tcp [fd00:10::31]:84 false", "udp 127.0.0.1:53 false", "udp [::]:54 true",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
