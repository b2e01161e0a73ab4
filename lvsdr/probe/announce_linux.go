package probe

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// rounds is how often an announcement is sent. A lost one leaves a neighbour
// with its old entry until that times out, so it is sent more than once; at once,
// because set-up does not wait.
const rounds = 2

// Announce tells the LAN of the link with the given index and MAC address that
// the IP address addr is there now, with [GratuitousARP] in both its forms or
// with an [Advertisement]. It fails with fs.ErrPermission without CAP_NET_RAW.
func Announce(index int, mac net.HardwareAddr, addr netip.Addr) error {
	frames, err := announcements(mac, addr)
	if err != nil {
		return fmt.Errorf("probe: announce: %w", err)
	}
	for range rounds {
		for _, frame := range frames {
			if err := Send(index, frame); err != nil {
				return fmt.Errorf("probe: announce %s: %w", addr, err)
			}
		}
	}
	return nil
}

func announcements(mac net.HardwareAddr, addr netip.Addr) ([][]byte, error) {
	if addr.Is6() {
		frame, err := Advertisement(mac, addr)
		return [][]byte{frame}, err
	}
	var frames [][]byte
	for _, op := range []ARPOp{ARPRequest, ARPReply} {
		frame, err := GratuitousARP(op, mac, addr)
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// Send puts an Ethernet frame, header included, on the link with the given index
// (packet(7)).
func Send(index int, frame []byte) error {
	if len(frame) < etherLen {
		return fmt.Errorf("a frame of %d bytes has no Ethernet header", len(frame))
	}
	// Protocol 0: this socket receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{
		Protocol: binary.NativeEndian.Uint16(frame[12:14]), // in network order
		Ifindex:  index,
		Halen:    6,
	}
	copy(to.Addr[:], frame[:6])
	return unix.Sendto(fd, frame, 0, to)
}
