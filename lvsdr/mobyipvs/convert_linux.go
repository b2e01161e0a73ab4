package mobyipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net"
	"net/netip"
	"syscall"
	"time"

	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// hashed is IP_VS_SVC_F_HASHED, which the kernel sets and nobody may send.
const hashed = 0x2

// ToService converts a service to what moby/ipvs writes. It fails with
// [errors.ErrUnsupported] for a persistence engine, which could not be read back,
// and with EINVAL for what is no service. Stats are left out.
func ToService(s ipvs.Service) (*moby.Service, error) {
	m, err := toID(s.ID)
	switch {
	case err != nil:
		return nil, err
	case s.PE != "":
		return nil, fmt.Errorf("persistence engine %q: moby/ipvs cannot read one back: %w", s.PE, errors.ErrUnsupported)
	case s.Scheduler == "":
		return nil, invalid("a service needs a scheduler")
	case s.Persistence < 0 || s.Persistence%time.Second != 0 || s.Persistence/time.Second > math.MaxInt32:
		return nil, invalid("persistence must be whole seconds, not %v", s.Persistence)
	case s.Netmask < 0 || s.Netmask > s.Addr.BitLen():
		return nil, invalid("a persistence netmask must be 1 to %d bits, not %d", s.Addr.BitLen(), s.Netmask)
	}
	m.SchedName = s.Scheduler
	m.Flags = uint32(s.Flags) &^ hashed
	if s.Persistence > 0 {
		m.Flags |= uint32(ipvs.Persistent)
	}
	m.Timeout = uint32(s.Persistence / time.Second)
	m.Netmask = toNetmask(s.Addr, s.Netmask)
	return m, nil
}

// toID converts what names a service.
func toID(id ipvs.ID) (*moby.Service, error) {
	family, err := familyOf(id.Addr)
	m := &moby.Service{AddressFamily: family, FWMark: id.FWMark, Netmask: toNetmask(id.Addr, 0)}
	if id.FWMark == 0 {
		m.Address, m.Port, m.Protocol = id.Addr.AsSlice(), id.Port, uint16(id.Protocol)
	}
	return m, err
}

func familyOf(a netip.Addr) (uint16, error) {
	switch {
	case a.Is4():
		return unix.AF_INET, nil
	case a.Is6() && !a.Is4In6() && a.Zone() == "":
		return unix.AF_INET6, nil
	}
	return 0, invalid("a plain IPv4 or IPv6 address is wanted, not %v", a)
}

// toNetmask is the mask in network order for IPv4, a prefix length for IPv6
// (ip_vs_add_service); 0 is every address for itself.
func toNetmask(a netip.Addr, length int) uint32 {
	if length == 0 {
		length = a.BitLen()
	}
	if a.Is6() {
		return uint32(length)
	}
	var mask [4]byte
	copy(mask[:], net.CIDRMask(length, 32))
	return binary.NativeEndian.Uint32(mask[:])
}

// FromService converts a service that moby/ipvs read. Its Stats have the 32 bits that
// moby/ipvs reads, and its PE is always empty.
func FromService(m *moby.Service) (ipvs.Service, error) {
	s := ipvs.Service{
		ID:        ipvs.ID{Port: m.Port, Protocol: ipvs.Protocol(m.Protocol), FWMark: m.FWMark},
		Scheduler: m.SchedName, Flags: ipvs.Flags(m.Flags &^ hashed), Stats: fromStats(m.Stats),
	}
	var err error
	if s.Addr, err = fromAddr(m.Address, m.AddressFamily); err != nil {
		return ipvs.Service{}, err
	}
	if s.Flags&ipvs.Persistent != 0 { // without it the kernel keeps the last one
		s.Persistence = time.Duration(m.Timeout) * time.Second
	}
	s.Netmask = fromNetmask(m.Netmask, s.Addr)
	return s, nil
}

// fromAddr is the unspecified address of the family where there is none: a firewall
// mark's.
func fromAddr(ip net.IP, family uint16) (netip.Addr, error) {
	switch {
	case family == unix.AF_INET && len(ip) == 0:
		return netip.IPv4Unspecified(), nil
	case family == unix.AF_INET6 && len(ip) == 0:
		return netip.IPv6Unspecified(), nil
	}
	a, ok := netip.AddrFromSlice(ip)
	if family == unix.AF_INET {
		a = a.Unmap()
	}
	if got, err := familyOf(a); !ok || err != nil || got != family {
		return netip.Addr{}, invalid("address %v does not go with address family %d", ip, family)
	}
	return a, nil
}

// fromNetmask is 0 for a mask that is no prefix length.
func fromNetmask(mask uint32, a netip.Addr) int {
	if a.Is6() {
		return int(min(mask, 129)) % 129
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], mask)
	m := binary.BigEndian.Uint32(b[:])
	if length := bits.LeadingZeros32(^m); m == ^uint32(0)<<(32-length) {
		return length
	}
	return 0
}

// ToDestination converts a real server of a service of the address family of vip. It
// fails with [errors.ErrUnsupported] for what moby/ipvs cannot tell the kernel or
// read back: another address family, a weight above 65535. Counters are left out.
func ToDestination(d ipvs.Destination, vip netip.Addr) (*moby.Destination, error) {
	family, err := familyOf(d.Addr)
	switch {
	case err != nil:
		return nil, err
	case d.Addr.Is4() != vip.Is4():
		return nil, fmt.Errorf("real server %v of a service of the other address family: moby/ipvs does not send the family: %w", d.Addr, errors.ErrUnsupported)
	case d.Weight > math.MaxUint16:
		return nil, fmt.Errorf("weight %d: moby/ipvs reads weights as 16 bits: %w", d.Weight, errors.ErrUnsupported)
	case d.Forwarding&^moby.ConnectionFlagFwdMask != 0:
		return nil, invalid("unknown forwarding method %d", d.Forwarding)
	}
	return &moby.Destination{
		Address: d.Addr.AsSlice(), Port: d.Port, AddressFamily: family, Weight: int(d.Weight),
		ConnectionFlags: uint32(d.Forwarding), UpperThreshold: d.UpperThreshold, LowerThreshold: d.LowerThreshold,
	}, nil
}

// FromDestination converts a real server that moby/ipvs read. A weight above 65535
// has lost its upper bits, Persistent is not known and 0.
func FromDestination(m *moby.Destination) (ipvs.Destination, error) {
	addr, err := fromAddr(m.Address, m.AddressFamily)
	return ipvs.Destination{
		Addr: addr, Port: m.Port, Weight: int32(m.Weight),
		Forwarding:     ipvs.Forwarding(m.ConnectionFlags & moby.ConnectionFlagFwdMask),
		UpperThreshold: m.UpperThreshold, LowerThreshold: m.LowerThreshold,
		Active: uint32(m.ActiveConnections), Inactive: uint32(m.InactiveConnections),
		Stats: fromStats(moby.SvcStats(m.Stats)),
	}, err
}

func fromStats(m moby.SvcStats) *ipvs.Stats {
	return &ipvs.Stats{
		Connections: uint64(m.Connections), InPackets: uint64(m.PacketsIn), OutPackets: uint64(m.PacketsOut),
		InBytes: m.BytesIn, OutBytes: m.BytesOut,
		ConnectionRate: uint64(m.CPS), InPacketRate: uint64(m.PPSIn), OutPacketRate: uint64(m.PPSOut),
		InByteRate: uint64(m.BPSIn), OutByteRate: uint64(m.BPSOut),
	}
}

// invalid is the refusal of what cannot be put into a message.
func invalid(format string, args ...any) error {
	return &ipvs.Error{Errno: syscall.EINVAL, Message: fmt.Sprintf(format, args...)}
}
