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
	src := addr.As16()
	icmp := make([]byte, 0, advertisementLen)
	icmp = append(icmp, typeAdvertisement, 0, 0, 0, flagOverride, 0, 0, 0)
	icmp = append(icmp, src[:]...)
	icmp = append(icmp, optionTargetMAC, 1) // 1: in units of eight bytes
	icmp = append(icmp, mac...)
	binary.BigEndian.PutUint16(icmp[2:], checksum(addr, allNodes, protoICMPv6, icmp))
	return packet{
		from: mac, to: allNodesMAC, src: addr, dst: allNodes,
		proto: protoICMPv6, ttl: hopLimitOfNeighbor, payload: icmp,
	}.frame(), nil
}
