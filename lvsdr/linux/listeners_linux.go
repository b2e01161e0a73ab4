package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Listeners are read from /proc, not by sock_diag(7): asked for TCP, UDP and SCTP,
// sock_diag has the kernel load tcp_diag and its kin, and looking loads nothing.
// What /proc does not tell, whether an IPv6 socket takes IPv4 too, is asked of the
// socket itself.

// States of a socket (include/net/tcp_states.h); UDP uses them, too.
const (
	stateEstablished = 0x01
	stateClosed      = 0x07 // of UDP: it has no peer
	stateListen      = 0x0a
)

// A procSocket is a socket as /proc/net has it.
type procSocket struct {
	host.Listener
	inode uint64
}

// Listeners implements [host.Observer].
func (linuxObserver) Listeners(ctx context.Context) ([]host.Listener, error) {
	sockets, err := listening()
	if err != nil {
		return nil, fmt.Errorf("list listeners: %w", err)
	}
	both := procSys{}.both()
	wanted := make(map[uint64][]*procSocket, len(sockets)) // one of SCTP may have several addresses
	for i := range sockets {
		s := &sockets[i]
		s.Unsure = s.Addr == netip.IPv6Unspecified()
		s.Both = both && s.Unsure
		wanted[s.inode] = append(wanted[s.inode], s)
	}
	if err := tellOwners(ctx, wanted); err != nil {
		return nil, fmt.Errorf("list listeners: %w", err)
	}
	all := make([]host.Listener, len(sockets))
	for i := range sockets {
		all[i] = sockets[i].Listener
	}
	return all, nil
}

// both tells what an IPv6 socket is that does not say: whether it takes IPv4.
func (p procSys) both() bool {
	only, err := p.Get("net/ipv6/bindv6only")
	return err == nil && only == "0"
}

// listening reads the files of all protocols. Those of TCP begin with the sockets
// that listen (tcp_seek_last_pos in net/ipv4/tcp_ipv4.c); nothing is read of the
// connections behind them, of which a server may have many.
func listening() ([]procSocket, error) {
	var all []procSocket
	for _, f := range []struct {
		name     string
		protocol cluster.Protocol
		state    uint64
		toEnd    bool
	}{
		{"tcp", cluster.TCP, stateListen, false}, {"tcp6", cluster.TCP, stateListen, false},
		{"udp", cluster.UDP, stateClosed, true}, {"udp6", cluster.UDP, stateClosed, true},
	} {
		header := true
		err := eachLine(procNet+f.name, func(line []byte) bool {
			if header {
				header = false
				return true
			}
			s, state, ok := parseProcSocket(line)
			if ok && state == f.state {
				s.Protocol = f.protocol
				all = append(all, s)
			}
			return f.toEnd || state == f.state
		})
		if err != nil {
			return nil, err
		}
	}
	err := eachLine(procNet+"sctp/eps", func(line []byte) bool {
		all = append(all, parseEndpoint(line)...)
		return true
	})
	return all, err
}

// Established implements [host.Observer].
func (linuxObserver) Established(ctx context.Context, from []netip.Addr) (map[netip.AddrPort]int, error) {
	all := map[netip.AddrPort]int{}
	for _, name := range []string{"tcp", "tcp6"} {
		err := eachLine(procNet+name, func(line []byte) bool {
			if s, state, ok := parseProcSocket(line); ok && state == stateEstablished && slices.Contains(from, s.Addr) {
				all[netip.AddrPortFrom(s.Addr, s.Port)]++
			}
			return ctx.Err() == nil
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("list connections: %w", err)
		}
	}
	return all, nil
}

// parseProcSocket reads "0: 0100007F:0277 00000000:0000 0A ... inode ...".
func parseProcSocket(line []byte) (s procSocket, state uint64, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) < 10 {
		return s, 0, false
	}
	at, port, _ := bytes.Cut(fields[1], []byte(":"))
	number, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return s, 0, false
	}
	if state, err = strconv.ParseUint(string(fields[3]), 16, 8); err != nil {
		return s, 0, false
	}
	if s.inode, err = strconv.ParseUint(string(fields[9]), 10, 64); err != nil {
		return s, 0, false
	}
	s.Port = uint16(number)
	s.Addr, ok = parseProcAddr(at)
	return s, state, ok
}

// parseProcAddr reads an address that the kernel has written as 32-bit numbers of
// the machine's byte order.
func parseProcAddr(text []byte) (netip.Addr, bool) {
	b := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(b, text); err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	return addr.Unmap(), ok
}

// parseEndpoint reads "ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS..." of an
// SCTP endpoint that listens, a socket for each of its addresses
// (net/sctp/proc.c).
func parseEndpoint(line []byte) (all []procSocket) {
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[3]) != strconv.Itoa(stateListen) {
		return nil
	}
	port, err := strconv.ParseUint(string(fields[5]), 10, 16)
	inode, err2 := strconv.ParseUint(string(fields[7]), 10, 64)
	if err != nil || err2 != nil {
		return nil
	}
	for _, text := range fields[8:] {
		if addr, err := netip.ParseAddr(string(text)); err == nil {
			all = append(all, procSocket{host.Listener{Protocol: cluster.SCTP, Addr: addr.Unmap(), Port: uint16(port)}, inode})
		}
	}
	return all
}
