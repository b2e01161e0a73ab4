package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A dump is a socket by which the kernel tells all objects of a kind. It hands them out
// in pieces, of 32 KiB to a reader with room for it and 4 to others, and for each piece
// looks for its place from the first object (netlink_recvmsg in
// net/netlink/af_netlink.c, nf_tables_dump_rules in net/netfilter/nf_tables_api.c).
type dump struct {
	fd    int
	piece []byte
	seq   uint32
}

// dumpPatience is how long an answer may take, in seconds: the kernel makes each piece
// while it is waited for.
const dumpPatience = 60

// openDump opens one in the calling thread's network namespace.
func openDump() (*dump, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	d := &dump{fd: fd, piece: make([]byte, 64<<10)}
	// Connected to the kernel, it gets nobody else's messages.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		d.close()
		return nil, os.NewSyscallError("connect", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: dumpPatience}); err != nil {
		d.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return d, nil
}

func (d *dump) close() { unix.Close(d.fd) }

// all asks for all objects of a kind and hands on their families and attributes, which
// are valid until take returns.
func (d *dump) all(message int, family uint8, ask []byte, take func(family uint8, a attributes)) error {
	const headers = unix.SizeofNlMsghdr + 4 // and struct nfgenmsg
	d.seq++
	m := make([]byte, headers, headers+len(ask))
	binary.NativeEndian.PutUint32(m, uint32(headers+len(ask)))
	binary.NativeEndian.PutUint16(m[4:], uint16(unix.NFNL_SUBSYS_NFTABLES<<8|message))
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(m[8:], d.seq)
	m[unix.SizeofNlMsghdr] = family
	if err := untilDone(func() error { _, err := unix.Write(d.fd, append(m, ask...)); return err }); err != nil {
		return os.NewSyscallError("send", err)
	}
	torn := false
	for {
		var n int
		if err := untilDone(func() (err error) { n, err = unix.Read(d.fd, d.piece); return err }); err != nil {
			return os.NewSyscallError("recv", err)
		}
		done, cut, err := d.messages(d.piece[:n], take)
		torn = torn || cut
		switch {
		case err != nil:
			return err
		case done && torn:
			return errChanged
		case done:
			return nil
		}
	}
}

// messages hands on what a piece has. torn: the objects changed since the first piece.
func (d *dump) messages(piece []byte, take func(family uint8, a attributes)) (done, torn bool, err error) {
	for len(piece) >= unix.SizeofNlMsghdr {
		length := int(binary.NativeEndian.Uint32(piece))
		if length < unix.SizeofNlMsghdr || length > len(piece) {
			return false, torn, errAttributes
		}
		typ, flags, seq := binary.NativeEndian.Uint16(piece[4:]), binary.NativeEndian.Uint16(piece[6:]), binary.NativeEndian.Uint32(piece[8:])
		body := piece[unix.SizeofNlMsghdr:length]
		piece = piece[min(len(piece), (length+3)&^3):]
		torn = torn || flags&unix.NLM_F_DUMP_INTR != 0
		switch {
		case seq != d.seq: // of a dump that was given up
		case typ == unix.NLMSG_DONE || typ == unix.NLMSG_ERROR:
			return true, torn, refusal(body)
		case len(body) >= 4:
			a, err := parseAttributes(body[4:])
			if err != nil {
				return false, torn, err
			}
			take(body[0], a)
		}
	}
	if len(piece) > 0 {
		return false, torn, fmt.Errorf("a piece of a dump ends within a header: %w", errAttributes)
	}
	return false, torn, nil
}

// refusal is the error number that a last message begins with, none where it is 0.
func refusal(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if n := int32(binary.NativeEndian.Uint32(body)); n < 0 {
		return unix.Errno(-n)
	}
	return nil
}

// untilDone calls again what a signal has broken off.
func untilDone(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// An arena keeps copies of small pieces, many in one allocation.
type arena struct{ free []byte }

const arenaSize = 128 << 10

// room returns n bytes.
func (a *arena) room(n int) []byte {
	if n > len(a.free) {
		a.free = make([]byte, max(n, arenaSize))
	}
	room := a.free[:n:n]
	a.free = a.free[n:]
	return room
}

func (a *arena) copy(data []byte) []byte {
	if data == nil {
		return nil
	}
	kept := a.room(len(data))
	copy(kept, data)
	return kept
}

// keep copies the attributes of these types.
func (a *arena) keep(of attributes, types ...uint16) attributes {
	size := 0
	for _, typ := range types {
		if value, ok := of.find(typ); ok {
			size += unix.SizeofNlAttr + (len(value)+3)&^3
		}
	}
	kept := a.room(size)
	rest := kept
	for _, typ := range types {
		if value, ok := of.find(typ); ok {
			binary.NativeEndian.PutUint16(rest, uint16(unix.SizeofNlAttr+len(value)))
			binary.NativeEndian.PutUint16(rest[2:], typ)
			copy(rest[unix.SizeofNlAttr:], value)
			rest = rest[unix.SizeofNlAttr+(len(value)+3)&^3:]
		}
	}
	return kept
}
