package linux

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Quiet listens there, on sockets whose filter takes nothing: what comes for a listener and
// does not pass its filter is dropped without an answer (tcp_filter in tcp_v4_rcv,
// net/ipv4/tcp_ipv4.c), where a port without one answers with a reset. IPVS has its
// packets before any socket. Where a program listens already, that one answers.
func (vrrp) Quiet(ctx context.Context, at []netip.AddrPort) (answer func(after time.Duration), err error) {
	config := net.ListenConfig{Control: takeNothing}
	config.SetMultipathTCP(false) // its socket is another one, below which the filter is not
	var all []net.Listener
	for _, a := range at {
		if l, err := config.Listen(ctx, "tcp", a.String()); err == nil {
			all = append(all, l)
		}
	}
	return func(after time.Duration) {
		if after > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(after):
			}
		}
		for _, l := range all {
			l.Close()
		}
	}, nil
}

// takeNothing prepares a socket that drops all, and may be bound to an address that the
// host has not got yet.
func takeNothing(network, _ string, c syscall.RawConn) error {
	var err error
	none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	control := c.Control(func(fd uintptr) {
		level, free := unix.SOL_IP, unix.IP_FREEBIND
		if network == "tcp6" {
			level, free = unix.SOL_IPV6, unix.IPV6_FREEBIND
		}
		err = errors.Join(
			unix.SetsockoptInt(int(fd), level, free, 1),
			unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none}),
		)
	})
	return errors.Join(control, err)
}
