//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// manyConnections is how many other connections the table has for the rows that say so. To
// tell the kernel of them costs little by itself; in 4096 rows it looks for each in a row
// that grows to 244 entries, 10^8 of them in all, each in another page of the guest.
const manyConnections = 1_000_000

// loadWithRows loads ip_vs with 2^n rows. It is for a guest where no host has used it:
// taken out while the kernel takes down a host's namespace, it may lock up (seen on 6.1).
func loadWithRows(ctx context.Context, n int) error {
	script := fmt.Sprintf("modprobe -r ip_vs; modprobe ip_vs conn_tab_bits=%d && modprobe ip_vs_wrr && grep -qx %d /sys/module/ip_vs/parameters/conn_tab_bits", n, n)
	if out, err := exec.CommandContext(ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("load ip_vs with 2^%d rows, which takes a guest of its own: %w: %s", n, err, out)
	}
	return nil
}

// fillTable gives the director's kernel n connections of other clients to the VIP at a
// real server, those from number first: it is told of them as by the synchronisation
// daemon of another director, which costs a tenth of making them.
func fillTable(ctx context.Context, l *lab.Lab, realServer netip.Addr, first, n int) error {
	return l.Director.Do(func() error {
		c, err := ipvs.Open()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.StartDaemon(ctx, ipvs.Daemon{State: ipvs.BackupDaemon, Interface: "eth0"}); err != nil {
			return err
		}
		if err := tellAll(ctx, c, realServer, first, n); err != nil {
			return err
		}
		return c.StopDaemon(ctx, ipvs.BackupDaemon)
	})
}

// tellAll tells the backup daemon of this host of n connections at a real server. No more
// than its socket has room for are on the way at once: what is lost would have to be told
// again, and each connection that the kernel has already is looked for in its row.
func tellAll(ctx context.Context, c *ipvs.Client, realServer netip.Addr, first, n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	director := netip.MustParseAddr("10.10.10.30").As4()
	if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, director); err != nil {
		return err
	}
	before, err := known(ctx, c)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: 8848, Addr: [4]byte{224, 0, 0, 81}}
	for told, messages := 0, 0; told < n; {
		m := min(aMessage, n-told)
		if err := unix.Sendto(fd, syncMessage(realServer, first+told, m), 0, to); err != nil {
			return err
		}
		told, messages = told+m, messages+1
		if messages%onTheWay == 0 || told == n {
			if err := arrived(ctx, c, before+told); err != nil {
				return err
			}
		}
	}
	return nil
}

// onTheWay is how many messages are sent before the director is asked whether it has them.
const onTheWay = 50

// arrived waits for the director to have so many connections.
func arrived(ctx context.Context, c *ipvs.Client, want int) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		have, err := known(ctx, c)
		if err != nil || have >= want {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the director has %d connections, not %d", have, want)
		}
	}
}

// known is how many open connections the director has: those that are closed may expire
// meanwhile.
func known(ctx context.Context, c *ipvs.Client) (int, error) {
	servers, err := c.Destinations(ctx, ipvs.ID{Addr: lab.VIP, Port: 80, Protocol: ipvs.TCP}, ipvs.Plain)
	sum := 0
	for _, s := range servers {
		sum += int(s.Active)
	}
	return sum, err
}

// aMessage is how many connections a message has room for at the usual MTU.
const aMessage = 40

// syncMessage tells of n connections at a real server, the first of them number first, as
// version 1 of the protocol has them (struct ip_vs_sync_mesg and ip_vs_sync_v4 in ip_vs_sync.c).
func syncMessage(realServer netip.Addr, first, n int) []byte {
	const head, each, established, minutes = 8, 36, 1, 15 * 60
	vip, rip := lab.VIP.As4(), realServer.As4()
	m := make([]byte, head+n*each)
	binary.BigEndian.PutUint16(m[2:], uint16(len(m)))
	m[4], m[5] = byte(n), 1 // connections; the version
	for i := range n {
		c := m[head+i*each:]
		c[1] = unix.IPPROTO_TCP
		binary.BigEndian.PutUint16(c[2:], each)
		binary.BigEndian.PutUint32(c[4:], 3) // IP_VS_CONN_F_DROUTE
		binary.BigEndian.PutUint16(c[8:], established)
		binary.BigEndian.PutUint16(c[10:], uint16(1024+(first+i)%8))
		binary.BigEndian.PutUint16(c[12:], 80)
		binary.BigEndian.PutUint16(c[14:], 80)
		binary.BigEndian.PutUint32(c[20:], minutes)
		binary.BigEndian.PutUint32(c[24:], 198<<24|18<<16+uint32(first+i)/8) // 198.18.0.0/15 is for benchmarks (RFC 2544)
		copy(c[28:], vip[:])
		copy(c[32:], rip[:])
	}
	return m
}
