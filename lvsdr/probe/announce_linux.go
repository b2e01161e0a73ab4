package probe

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// rounds is how often an announcement is sent. A lost one leaves a neighbour
// with its old entry until that times out, so it is sent more than once; at once,
// because set-up does not wait.
const rounds = 2

// Announce tells the LAN of the link with the given index and MAC address that
// the IP addresses are there now, each with [GratuitousARP] in both its forms or
// with an [Advertisement]. It fails with fs.ErrPermission without CAP_NET_RAW.
//
// It takes as long for many as for one: what takes long, about 10 ms, is that the
// kernel waits for a grace period when a packet socket is closed.
func Announce(index int, mac net.HardwareAddr, addrs ...netip.Addr) error {
	var frames [][]byte
	for _, addr := range addrs {
		more, err := announcements(mac, addr)
		if err != nil {
			return fmt.Errorf("probe: announce: %w", err)
		}
		frames = append(frames, more...)
	}
	all := slices.Repeat(frames, rounds)
	if err := Send(index, all...); err != nil {
		return fmt.Errorf("probe: announce: %w", err)
	}
	return nil
}

func announcements(mac net.HardwareAddr, addr netip.Addr) ([][]byte, error) {
	if addr.Is6() {
		frame, err := Advertisement(mac, addr)
		return [][]byte{frame}, err
	}
	request, err := GratuitousARP(ARPRequest, mac, addr)
	if err != nil {
		return nil, err
	}
	reply, err := GratuitousARP(ARPReply, mac, addr)
	return [][]byte{request, reply}, err
}

// Send puts Ethernet frames, headers included, on the link with the given index
// (packet(7)).
func Send(index int, frames ...[]byte) error {
	// Protocol 0: this socket receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	defer unix.Close(fd)
	return (&socket{fd, index}).send(frames...)
}
