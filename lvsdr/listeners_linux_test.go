package lvsdr

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// observerNetns is a host with a LAN.
func observerNetns(t *testing.T) {
	t.Helper()
	vipNetns(t, "cable eth0 far0",
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

func TestListeners(t *testing.T) {
	observerNetns(t)
	if all, err := (linuxObserver{}).Listeners(t.Context()); err != nil || len(all) > 0 {
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
	all, err := linuxObserver{}.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range all {
		if !strings.HasSuffix(l.Process, fmt.Sprintf("[%d]", os.Getpid())) {
			t.Errorf("not mine: %+v", l)
		}
		got = append(got, fmt.Sprintf("%v %v %v", l.Protocol, netip.AddrPortFrom(l.Addr, l.Port), l.Both))
	}
	want := []string{
		"tcp 0.0.0.0:80 false", "tcp 10.10.10.31:81 false", "tcp 10.10.10.31:85 false", "tcp [::]:82 true",
		"tcp [::]:83 false", "tcp [fd00:10::31]:84 false", "udp 127.0.0.1:53 false", "udp [::]:54 true",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEndpoints(t *testing.T) {
	// As a 6.1 kernel writes /proc/net/sctp/eps.
	got := parseEndpoint([]byte(" 0000000000000000 0000000000000000 2   10  4    2905   0 17331 10.10.10.31 fd00:0010:0000:0000:0000:0000:0000:0031 "))
	want := []procSocket{
		{Listener{Protocol: SCTP, Addr: netip.MustParseAddr("10.10.10.31"), Port: 2905}, 17331},
		{Listener{Protocol: SCTP, Addr: netip.MustParseAddr("fd00:10::31"), Port: 2905}, 17331},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := parseEndpoint([]byte(" ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS")); got != nil {
		t.Errorf("of the header: %v", got)
	}
}
