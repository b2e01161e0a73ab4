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

// manyConnections is how many other connections the table has for the rows that say so. A
// million of them take this guest two minutes to make.
const manyConnections = 250_000

// loadWithRows loads ip_vs with 2^n rows. It is for a guest where no host has used it:
// taken out while the kernel takes down a host's namespace, it may lock up (seen on 6.1).
func loadWithRows(ctx context.Context, n int) error {
	script := fmt.Sprintf("modprobe -r ip_vs; modprobe ip_vs conn_tab_bits=%d && modprobe ip_vs_wrr && grep -qx %d /sys/module/ip_vs/parameters/conn_tab_bits", n, n)
	if out, err := exec.CommandContext(ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("load ip_vs with 2^%d rows, which takes a guest of its own: %w: %s", n, err, out)
	}
	return nil
}

// fillTable gives the director's kernel connections of other clients to the VIP: it is
// told of them as by the synchronisation daemon of another director, which costs a tenth
// of making them.
func fillTable(ctx context.Context, l *lab.Lab) error {
	return l.Director.Do(func() error {
		c, err := ipvs.Open()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.StartDaemon(ctx, ipvs.Daemon{State: ipvs.BackupDaemon, Interface: "eth0"}); err != nil {
			return err
		}
		before, err := known(ctx, c)
		if err != nil {
			return err
		}
		if err := tellAll(manyConnections); err != nil {
			return err
		}
		after, err := known(ctx, c)
		for deadline := time.Now().Add(10 * time.Second); err == nil && after-before < manyConnections && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
			after, err = known(ctx, c)
		}
		if err == nil && after-before < manyConnections*99/100 {
			err = fmt.Errorf("of %d connections the table took %d", manyConnections, after-before)
		}
		return err
	})
}

// known is how many connections the director has.
func known(ctx context.Context, c *ipvs.Client) (int, error) {
	servers, err := c.Destinations(ctx, ipvs.ID{Addr: lab.VIP, Port: 80, Protocol: ipvs.TCP}, ipvs.Plain)
	if err != nil || len(servers) != 1 {
		return 0, fmt.Errorf("%d real servers: %w", len(servers), err)
	}
	return int(servers[0].Active + servers[0].Inactive), nil
}

// tellAll sends n connections to the backup daemon of this host.
func tellAll(n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	director := netip.MustParseAddr("10.10.10.30").As4()
	if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, director); err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: 8848, Addr: [4]byte{224, 0, 0, 81}}
	for i := 0; i < n; i += aMessage {
		if err := unix.Sendto(fd, syncMessage(i, min(aMessage, n-i)), 0, to); err != nil {
			return err
		}
		if i/aMessage%16 == 15 {
			time.Sleep(100 * time.Microsecond) // the daemon reads when nobody else runs
		}
	}
	return nil
}

// aMessage is how many connections a message has room for at the usual MTU.
const aMessage = 40

// syncMessage tells of n connections, the first of them number first, as version 1 of the
// protocol has them (struct ip_vs_sync_mesg and ip_vs_sync_v4 in ip_vs_sync.c).
func syncMessage(first, n int) []byte {
	const head, each, established, minutes = 8, 36, 1, 15 * 60
	vip, rip := lab.VIP.As4(), lab.RIP(0).As4()
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
