//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A crowd imitates real servers on the LAN: one host answers for all of them, ARP for
// their addresses and SYNs for whatever is asked of their MAC addresses. A thousand
// namespaces would take longer to make than to ask.
type crowd struct {
	realServers int
	fd          int
	done        chan struct{}
}

// firstRIP is the address of a crowd's first real server.
const firstRIP = "10.10.20.1"

func newCrowd(ctx context.Context, l *lab.Lab, realServers int) (*crowd, error) {
	h, err := l.Add(ctx, "crowd", netip.MustParsePrefix("10.10.10.200/16"))
	if err != nil {
		return nil, err
	}
	c := &crowd{realServers: realServers, done: make(chan struct{})}
	if err := h.Do(func() (err error) { c.fd, err = listenAll("eth0"); return err }); err != nil {
		return nil, err
	}
	go c.answer()
	return c, nil
}

// config is the cluster of these real servers.
func (c *crowd) config() cluster.Config {
	service := cluster.Service{VIP: vip, Ports: []cluster.Port{{Number: 80, Protocol: cluster.TCP}}}
	for i := range c.realServers {
		service.RealServers = append(service.RealServers, cluster.RealServer{Address: numbered(firstRIP, i)})
	}
	return cluster.Config{Services: []cluster.Service{service}}
}

// listenAll is a packet socket that gets everything that comes by the interface.
func listenAll(link string) (int, error) {
	i, err := net.InterfaceByName(link)
	if err != nil {
		return 0, err
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: int64(100 * time.Millisecond / time.Microsecond)}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}),
	)
}

func (c *crowd) close() {
	close(c.done)
}

// answer answers until the crowd is closed.
func (c *crowd) answer() {
	defer unix.Close(c.fd)
	frame := make([]byte, 2048)
	for {
		select {
		case <-c.done:
			return
		default:
		}
		n, _, err := unix.Recvfrom(c.fd, frame, 0)
		if err != nil || n < 14 {
			continue
		}
		if reply := c.reply(frame[:n]); reply != nil {
			_, _ = unix.Write(c.fd, reply)
		}
	}
}

func (c *crowd) reply(frame []byte) []byte {
	switch b := frame[14:]; {
	case frame[12] == 8 && frame[13] == 6 && len(b) >= 28 && b[7] == 1: // an ARP request
		return c.arp(frame[6:12], b)
	case frame[12] == 8 && frame[13] == 0 && len(b) >= 40 && b[0] == 0x45 && b[9] == unix.IPPROTO_TCP && b[33] == 2: // a SYN
		return c.synAck(frame)
	}
	return nil
}

// macOf is the MAC address of the real server at an address, which has the address in it.
func macOf(ip []byte) []byte { return append([]byte{2, 1}, ip...) }

// has tells whether an address is that of a real server.
func (c *crowd) has(ip []byte) bool {
	first := netip.MustParseAddr(firstRIP).As4()
	n := binary.BigEndian.Uint32(ip) - binary.BigEndian.Uint32(first[:])
	return n < uint32(c.realServers)
}

// arp answers a question as its target does (RFC 826).
func (c *crowd) arp(to, question []byte) []byte {
	target := question[24:28]
	if !c.has(target) {
		return nil
	}
	b := append(append([]byte{}, to...), macOf(target)...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2)
	b = append(append(b, macOf(target)...), target...)
	return append(b, question[8:18]...)
}

// synAck accepts a connection that is made to a real server's MAC address.
func (c *crowd) synAck(frame []byte) []byte {
	mac, ip, syn := frame[:6], frame[14:34], frame[34:]
	if mac[0] != 2 || mac[1] != 1 || !c.has(mac[2:]) {
		return nil
	}
	b := append(append(append([]byte{}, frame[6:12]...), mac...), 8, 0)
	b = append(b, 0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, unix.IPPROTO_TCP, 0, 0)
	b = append(append(b, ip[16:20]...), ip[12:16]...)
	binary.BigEndian.PutUint16(b[24:], sum(b[14:34], 0))
	b = append(append(b, syn[2:4]...), syn[:2]...)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, binary.BigEndian.Uint32(syn[4:])+1)
	b = append(b, 0x60, 0x12, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x05, 0xb4) // SYN, ACK; segments of 1460 bytes
	pseudo := uint32(^sum(b[26:34], 0)) + unix.IPPROTO_TCP + 24
	binary.BigEndian.PutUint16(b[50:], sum(b[34:], pseudo))
	return b
}

// sum is the Internet checksum (RFC 1071).
func sum(b []byte, s uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
