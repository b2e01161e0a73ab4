package probe

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Adverts listens for so long to the advertisements of VRRP on the link with the given
// index, also those that a packet filter drops, and returns the latest of each router, of
// at most 32. It sends nothing. What the host itself says it does not hear. Cancelled, it
// returns what it has heard until then with the context's error.
func Adverts(ctx context.Context, index int, wait time.Duration) ([]Advert, error) {
	s, err := open(index, advertisements())
	if err != nil {
		return nil, fmt.Errorf("probe: VRRP: %w", err)
	}
	defer s.close()
	for _, group := range [][8]uint8{{1, 0, 0x5e, 0, 0, 0x12}, {0x33, 0x33, 0, 0, 0, 0x12}} { // 224.0.0.18, ff02::12
		join := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: 6, Address: group}
		if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &join); err != nil {
			return nil, fmt.Errorf("probe: VRRP: multicast: %w", err)
		}
	}
	var g gathering
	take := func(frame []byte) error { g.take(frame); return nil }
	if err := s.receive(ctx, time.Now().Add(wait), take, func() time.Duration { return never }); err != nil {
		return g.adverts, fmt.Errorf("probe: VRRP: %w", err)
	}
	return g.adverts, nil
}

// advertisements lets VRRP through, but for this host's own.
func advertisements() []unix.SockFilter {
	var p program
	p.load(unix.BPF_W, adPktType)
	p.branch(unix.BPF_JEQ, unix.PACKET_OUTGOING, "drop", "")
	p.untagged()
	p.load(unix.BPF_H, adProtocol)
	p.branch(unix.BPF_JEQ, etherIPv6, "ipv6", "")
	p.branch(unix.BPF_JEQ, etherIPv4, "", "drop")
	p.load(unix.BPF_B, netOff+9)
	p.branch(unix.BPF_JEQ, protoVRRP, "take", "drop")
	p.label("ipv6")
	p.load(unix.BPF_B, netOff+6)
	p.branch(unix.BPF_JEQ, protoVRRP, "take", "drop")
	return p.done()
}
