package probe

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

const (
	etherLen  = 14
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100 // IEEE 802.1Q
	etherQinQ = 0x88a8 // IEEE 802.1ad
	vlanLen   = 4
)

// Broadcast is everybody's MAC address.
var Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ARPOp is an ARP operation (RFC 826).
type ARPOp uint16

// The ARP operations.
const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// GratuitousARP returns the Ethernet frame that tells everybody on the LAN that
// the IPv4 address addr is at mac: an ARP announcement (RFC 5227 section 3, what
// "arping -U" sends) for [ARPRequest], and an unasked-for reply ("arping -A") for
// [ARPReply]. Some hosts update their neighbours from one only, some from the
// other. Linux believes such a reply only when its target is the sender itself
// (net/ipv4/arp.c, arp_is_garp); in a request the target is not known yet: zeros.
func GratuitousARP(op ARPOp, mac net.HardwareAddr, addr netip.Addr) ([]byte, error) {
	if err := check(mac, addr, addr.Is4()); err != nil {
		return nil, err
	}
	target := make(net.HardwareAddr, 6)
	if op == ARPReply {
		target = mac
	}
	return arp{
		op: op, sender: mac, senderIP: addr, target: target, goalIP: addr, from: mac, destination: Broadcast,
	}.frame(), nil
}

// ether returns an Ethernet header with room for a frame.
func ether(dst, src net.HardwareAddr, proto uint16) []byte {
	b := make([]byte, 0, 96)
	b = append(b, dst...)
	b = append(b, src...)
	return binary.BigEndian.AppendUint16(b, proto)
}

// untag takes VLAN tags out of a frame, where they stand on a VLAN interface with
// "reorder_hdr off". It changes the frame in place.
func untag(frame []byte) []byte {
	for len(frame) >= etherLen+vlanLen {
		if t := binary.BigEndian.Uint16(frame[12:]); t != etherVLAN && t != etherQinQ {
			break
		}
		copy(frame[vlanLen:], frame[:12])
		frame = frame[vlanLen:]
	}
	return frame
}

func check(mac net.HardwareAddr, addr netip.Addr, family bool) error {
	if len(mac) != 6 {
		return fmt.Errorf("%q is no Ethernet address", mac.String())
	}
	if !family {
		return fmt.Errorf("%s is of the wrong address family", addr)
	}
	return nil
}
