package host

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// HostPrefix is the prefix of addr alone: /32 or /128.
func HostPrefix(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

// VRRPProtocol is the protocol of directors' advertisements (RFC 5798 section 5.1.1.4). It has
// no ports, and no service has it.
const VRRPProtocol cluster.Protocol = 112

// Where advertisements go that are for all directors (RFC 5798 section 5.1).
var (
	VRRPGroup4 = netip.MustParseAddr("224.0.0.18")
	VRRPGroup6 = netip.MustParseAddr("ff02::12")
)

// ProtocolName is the protocol as firewalls have it.
func ProtocolName(p cluster.Protocol) string {
	if p == VRRPProtocol {
		return "vrrp"
	}
	return p.String()
}

// ParseProtocol is the inverse of [ProtocolName].
func ParseProtocol(name string) (cluster.Protocol, error) {
	if name == "vrrp" || name == strconv.Itoa(int(VRRPProtocol)) {
		return VRRPProtocol, nil
	}
	return ipvs.ParseProtocol(name)
}

// An Opening lets one service's packets pass a firewall, or those of another protocol to
// an address.
type Opening struct {
	VIP      netip.Addr
	Protocol cluster.Protocol
	Port     uint16 // 0: every port
}

// The protocols of what routers say of the size of packets.
const (
	ICMP   cluster.Protocol = 1
	ICMPv6 cluster.Protocol = 58
)

// TooBig is the opening for what a router on the way to a client tells the VIP when a
// packet is too big for it, and for nothing else: ICMP fragmentation-needed (RFC 792,
// type 3 code 4), ICMPv6 packet-too-big (RFC 4443, type 2).
func TooBig(vip netip.Addr) Opening {
	if vip.Is4() {
		return Opening{VIP: vip, Protocol: ICMP}
	}
	return Opening{VIP: vip, Protocol: ICMPv6}
}

// IsTooBig tells whether the opening is that of [TooBig].
func (o Opening) IsTooBig() bool { return o == TooBig(o.VIP) }

// TooBigName is its name in the words of iptables, nft and firewalld.
func TooBigName(vip netip.Addr) string {
	if vip.Is4() {
		return "fragmentation-needed"
	}
	return "packet-too-big"
}

// String renders the opening as "tcp 10.10.10.22:80", "udp [fd00::22]:53", and
// "tcp 10.10.10.22" when it is every port; one of [TooBig] as "fragmentation-needed
// 10.10.10.22".
func (o Opening) String() string {
	if o.IsTooBig() {
		return TooBigName(o.VIP) + " " + o.VIP.String()
	}
	if o.Port == 0 {
		return ProtocolName(o.Protocol) + " " + o.VIP.String()
	}
	return o.Protocol.String() + " " + netip.AddrPortFrom(o.VIP, o.Port).String()
}

// Compare orders openings by VIP, protocol and port.
func (o Opening) Compare(other Opening) int {
	return cmp.Or(o.VIP.Compare(other.VIP), cmp.Compare(o.Protocol, other.Protocol), cmp.Compare(o.Port, other.Port))
}

// Family is the family of the packets in the words of nft and ip.
func (o Opening) Family() string {
	if o.VIP.Is4() {
		return "ip"
	}
	return "ip6"
}

// SortOpenings sorts openings and takes out those that are there twice.
func SortOpenings(openings []Opening) []Opening {
	slices.SortFunc(openings, Opening.Compare)
	return slices.Compact(openings)
}

// JoinOpenings names the first few openings and tells how many more there are.
func JoinOpenings(openings []Opening) string {
	const shown = 3
	var names []string
	for _, o := range openings[:min(shown, len(openings))] {
		names = append(names, o.String())
	}
	text := strings.Join(names, ", ")
	if more := len(openings) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
