//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ServeHTTP starts an HTTP server on the host that answers every request with the
// host's name and a newline. The address is that of [net.Listen]: ":80" listens on
// all of the host's addresses, as LVS wants it, "10.10.10.31:80" on one. It runs
// until the returned closer or the lab is closed.
func (h *Host) ServeHTTP(addr string) (io.Closer, error) {
	listener, err := h.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, h.Name)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute, // a client's end is not heard where the director forgot the connection
	}
	go server.Serve(listener)
	h.keep(server)
	return server, nil
}

// Listen listens on the host, as [net.Listen] does.
func (h *Host) Listen(ctx context.Context, network, addr string) (l net.Listener, err error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // plain TCP, as the servers that people run
	err = h.Do(func() error {
		l, err = config.Listen(ctx, network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", h.Name, err)
	}
	return l, nil
}

// ListenPacket listens for datagrams on the host, as [net.ListenPacket] does.
func (h *Host) ListenPacket(ctx context.Context, network, addr string) (c net.PacketConn, err error) {
	var config net.ListenConfig
	config.Control = answerFromAsked
	err = h.Do(func() error {
		c, err = config.ListenPacket(ctx, network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", h.Name, err)
	}
	return c, nil
}

// Dial connects from the host; it has the form of [net.Dialer.DialContext]. The
// address is numeric: there is no name server in a lab.
func (h *Host) Dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	if _, err := netip.ParseAddrPort(addr); err != nil {
		return nil, fmt.Errorf("from %s: %w", h.Name, err)
	}
	var d net.Dialer
	err = h.Do(func() error {
		c, err = d.DialContext(ctx, network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("from %s: %w", h.Name, err)
	}
	return c, nil
}

// GetTimeout is what a request has when its context sets no deadline.
const GetTimeout = 5 * time.Second

// Get requests a URL from the host over a fresh TCP connection and returns the
// body without its last newline: from a lab's server, the name of who answered.
func (h *Host) Get(ctx context.Context, url string) (string, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, GetTimeout)
		defer cancel()
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.Dial}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return strings.TrimSuffix(string(body), "\n"), err
}

// ServeUDP starts a UDP server on the host that answers every datagram with the
// host's name, from the address that was asked, so that it serves a VIP too. The
// address is that of [net.ListenPacket].
func (h *Host) ServeUDP(addr string) (io.Closer, error) {
	// Two sockets for all addresses: the source of an answer is set per family.
	networks := []string{"udp4", "udp6"}
	if a, err := netip.ParseAddrPort(addr); err == nil {
		networks = networks[:1]
		if a.Addr().Is6() {
			networks = []string{"udp6"}
		}
	}
	var conns closers
	for _, network := range networks {
		c, err := h.ListenPacket(context.Background(), network, addr)
		if errors.Is(err, syscall.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, conns.Close())
		}
		conns = append(conns, c)
		go h.answer(c.(*net.UDPConn))
	}
	h.keep(conns)
	return conns, nil
}

// answerFromAsked makes a UDP socket tell to which address a datagram came.
func answerFromAsked(network, _ string, c syscall.RawConn) (err error) {
	control := c.Control(func(fd uintptr) {
		if network == "udp6" {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
			return
		}
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	})
	return errors.Join(control, err)
}

func (h *Host) answer(c *net.UDPConn) {
	data, info := make([]byte, 64<<10), make([]byte, 256)
	for {
		_, n, _, client, err := c.ReadMsgUDPAddrPort(data, info)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier answer
		}
		c.WriteMsgUDPAddrPort([]byte(h.Name), sourceOf(info[:n]), client)
	}
}

// sourceOf turns the control message of a received datagram into that of an answer
// from the same address (ip(7), IP_PKTINFO; ipv6(7), IPV6_PKTINFO).
func sourceOf(info []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(info)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			// struct in_pktinfo: interface, local address, destination address
			return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[8:12])})
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 20:
			return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])})
		}
	}
	return nil
}

type closers []io.Closer

func (cs closers) Close() error {
	var errs []error
	for _, c := range cs {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// keep remembers a server for the lab's Close.
func (h *Host) keep(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = append(h.servers, c)
}

func (h *Host) stopServers() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	servers := h.servers
	h.servers = nil
	return closers(servers).Close()
}
