package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
)

const (
	typeSolicitation = 135
	optionSourceMAC  = 1
	flagRouter       = 0x80 // of an advertisement
	ndLen            = 24   // ICMPv6 header and target
)

// solicitation is the question who has target to its solicited-node group (RFC
// 4861 section 4.3). Without source it is that of duplicate address detection.
func solicitation(mac net.HardwareAddr, target, source netip.Addr) ([]byte, error) {
	v6 := func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() }
	if err := check(mac, target, v6(target) && (!source.IsValid() || v6(source))); err != nil {
		return nil, err
	}
	if !source.IsValid() {
		source = netip.IPv6Unspecified()
	}
	group, groupMAC := solicitedNode(target)
	icmp := append(make([]byte, 0, ndLen+8), typeSolicitation, 0, 0, 0, 0, 0, 0, 0)
	icmp = append(icmp, target.AsSlice()...)
	if !source.IsUnspecified() {
		icmp = append(append(icmp, optionSourceMAC, 1), mac...) // 1: in units of eight bytes
	}
	binary.BigEndian.PutUint16(icmp[2:], checksum(source, group, protoICMPv6, icmp))
	return packet{
		from: mac, to: groupMAC, src: source, dst: group,
		proto: protoICMPv6, ttl: hopLimitOfNeighbor, payload: icmp,
	}.frame(), nil
}

// solicitedNode is the multicast group that an address's owner listens to (RFC
// 4291 section 2.7.1), and its MAC address.
func solicitedNode(a netip.Addr) (netip.Addr, net.HardwareAddr) {
	low := a.As16()
	group := [16]byte{0xff, 0x02, 11: 1, 12: 0xff, 13: low[13], 14: low[14], 15: low[15]}
	return netip.AddrFrom16(group), net.HardwareAddr{0x33, 0x33, 0xff, low[13], low[14], low[15]}
}

// An nd is a neighbour solicitation or advertisement.
type nd struct {
	advertisement bool
	target        netip.Addr
	source        netip.Addr // of the packet
	destination   netip.Addr
	mac           net.HardwareAddr // the option's, else the frame's
	from          net.HardwareAddr
	router        bool
}

// parseND reads a neighbour solicitation or advertisement that comes from the link:
// a hop limit of 255 proves it (RFC 4861 section 7.1).
func parseND(frame []byte) (n nd, ok bool) {
	p, ok := parsePacket(frame)
	if !ok || !p.src.Is6() || p.proto != protoICMPv6 || p.ttl != hopLimitOfNeighbor || len(p.payload) < ndLen {
		return nd{}, false
	}
	b := p.payload
	if b[0] != typeSolicitation && b[0] != typeAdvertisement || b[1] != 0 {
		return nd{}, false
	}
	n = nd{
		advertisement: b[0] == typeAdvertisement, target: netip.AddrFrom16([16]byte(b[8:])),
		source: p.src, destination: p.dst, mac: p.from, from: p.from,
	}
	option := byte(optionSourceMAC)
	if n.advertisement {
		option, n.router = optionTargetMAC, b[4]&flagRouter != 0
	}
	if mac := optionMAC(b[ndLen:], option); mac != nil {
		n.mac = mac
	}
	return n, true
}

// optionMAC finds a link-layer address option (RFC 4861 section 4.6.1).
func optionMAC(b []byte, option byte) net.HardwareAddr {
	for len(b) >= 8 {
		size := int(b[1]) * 8
		if size == 0 || size > len(b) {
			return nil
		}
		if b[0] == option {
			return net.HardwareAddr(b[2:8])
		}
		b = b[size:]
	}
	return nil
}
