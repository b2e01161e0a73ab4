package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// allNodes are the link-local all-nodes multicast address and its MAC address.
var (
	allNodes    = netip.MustParseAddr("ff02::1")
	allNodesMAC = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
)

const (
	protoICMPv6        = 58
	typeAdvertisement  = 136
	flagOverride       = 0x20 // of the flags' first byte: R, S, O
	optionTargetMAC    = 2
	advertisementLen   = 32 // ICMPv6 header, target, one option
	hopLimitOfNeighbor = 255
)

// Advertisement returns the Ethernet frame of an unsolicited neighbour
// advertisement to all nodes (RFC 4861 sections 4.4 and 7.2.6): the IPv6 address
// addr is at mac, override what you know. The router flag is clear: it tells only
// about the neighbour addr, and hosts do not use a VIP as their router.
func Advertisement(mac net.HardwareAddr, addr netip.Addr) ([]byte, error) {
	if err := check(mac, addr, addr.Is6() && !addr.Is4In6()); err != nil {
		return nil, err
	}
	src, dst := addr.As16(), allNodes.As16()
	icmp := make([]byte, 0, advertisementLen)
	icmp = append(icmp, typeAdvertisement, 0, 0, 0, flagOverride, 0, 0, 0)
	icmp = append(icmp, src[:]...)
	icmp = append(icmp, optionTargetMAC, 1) // 1: in units of eight bytes
	icmp = append(icmp, mac...)
	binary.BigEndian.PutUint16(icmp[2:], icmpv6Checksum(src, dst, icmp))

	b := ether(allNodesMAC, mac, etherIPv6)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(icmp)))
	b = append(b, protoICMPv6, hopLimitOfNeighbor)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	return append(b, icmp...), nil
}

// icmpv6Checksum is the checksum over the pseudo-header and the message, whose
// own checksum is still zero and whose length is even (RFC 4443 section 2.3).
func icmpv6Checksum(src, dst [16]byte, message []byte) uint16 {
	sum := uint32(len(message)) + protoICMPv6
	for _, part := range [][]byte{src[:], dst[:], message} {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint32(part[i])<<8 | uint32(part[i+1])
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
