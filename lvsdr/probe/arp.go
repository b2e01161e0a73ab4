package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// An arp is an ARP packet for IPv4 over Ethernet (RFC 826).
type arp struct {
	op                ARPOp
	sender, target    net.HardwareAddr
	senderIP, goalIP  netip.Addr
	from, destination net.HardwareAddr // of the frame
}

const arpLen = 28

// arpQuestion is the broadcast question who has target. Without source it is an
// ARP probe (RFC 5227 section 1.1).
func arpQuestion(mac net.HardwareAddr, target, source netip.Addr) ([]byte, error) {
	if err := check(mac, target, target.Is4() && (!source.IsValid() || source.Is4())); err != nil {
		return nil, err
	}
	if !source.IsValid() {
		source = netip.IPv4Unspecified()
	}
	a := arp{
		op: ARPRequest, sender: mac, senderIP: source, target: make(net.HardwareAddr, 6), goalIP: target,
		from: mac, destination: Broadcast,
	}
	return a.frame(), nil
}

func (a arp) frame() []byte {
	b := ether(a.destination, a.from, etherARP)
	b = append(b, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4, and their addresses' lengths
	b = binary.BigEndian.AppendUint16(b, uint16(a.op))
	b = append(b, a.sender...)
	b = append(b, a.senderIP.AsSlice()...)
	b = append(b, a.target...)
	return append(b, a.goalIP.AsSlice()...)
}

// parseARP is the inverse of frame.
func parseARP(frame []byte) (a arp, ok bool) {
	if len(frame) < etherLen+arpLen || binary.BigEndian.Uint16(frame[12:]) != etherARP {
		return arp{}, false
	}
	b := frame[etherLen:]
	if [6]byte(b) != [6]byte{0, 1, 8, 0, 6, 4} {
		return arp{}, false
	}
	return arp{
		op:     ARPOp(binary.BigEndian.Uint16(b[6:])),
		sender: net.HardwareAddr(b[8:14]), senderIP: netip.AddrFrom4([4]byte(b[14:])),
		target: net.HardwareAddr(b[18:24]), goalIP: netip.AddrFrom4([4]byte(b[24:])),
		destination: net.HardwareAddr(frame[:6]), from: net.HardwareAddr(frame[6:12]),
	}, true
}
