package ipvs

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"
)

// The decoder is pure functions on bytes. It copies what it keeps, so that the
// receive buffer can be reused.

// Detail says how much of the table is decoded.
type Detail bool

// The details.
const (
	Plain     Detail = false // settings and connection counts
	WithStats Detail = true  // Stats too
)

// The least lengths of the attributes that are read.
var (
	svcAttrLen = [svcStats64 + 1]uint8{svcFamily: 2, svcProtocol: 2, svcAddr: 4, svcPort: 2,
		svcFWMark: 4, svcFlags: 4, svcTimeout: 4, svcNetmask: 4}
	destAttrLen = [destStats64 + 1]uint8{destAddr: 4, destPort: 2, destForwarding: 4, destWeight: 4,
		destUpper: 4, destLower: 4, destActive: 4, destInactive: 4, destPersistent: 4, destFamily: 2}
	wordAttrLen = [attrTimeoutUDP + 1]uint8{4, 4, 4, 4, 4, 4, 4}
)

// decodeService decodes the payload of a service message into s.
func decodeService(payload []byte, detail Detail, s *Service) error {
	b, err := nested(payload, attrService)
	if err != nil {
		return err
	}
	var a [svcStats64 + 1]span
	if err := parse(b, a[:], svcAttrLen[:]); err != nil {
		return err
	}
	if s.ID, err = idOf(a[:], b); err != nil {
		return err
	}
	s.Scheduler = schedulerName(cutNUL(a[svcScheduler].value(b)))
	s.PE = string(cutNUL(a[svcPE].value(b)))
	s.Flags = Flags(a[svcFlags].uint32(b)) &^ hashedFlag
	if s.Flags&Persistent != 0 { // without it the kernel keeps the last one
		s.Persistence = seconds(a[svcTimeout].uint32(b))
	}
	s.Netmask = decodeNetmask(a[svcNetmask].value(b), a[svcFamily].uint16(b))
	if detail == WithStats {
		s.Stats, err = decodeStats(a[svcStats].value(b), a[svcStats64].value(b))
	}
	return err
}

// decodeID decodes no more than the ID of a service message.
func decodeID(payload []byte) (ID, error) {
	b, err := nested(payload, attrService)
	if err != nil {
		return ID{}, err
	}
	var a [svcFWMark + 1]span
	if err := parse(b, a[:], svcAttrLen[:]); err != nil {
		return ID{}, err
	}
	return idOf(a[:], b)
}

func idOf(a []span, b []byte) (id ID, err error) {
	id.Addr, err = decodeAddr(a[svcAddr].value(b), a[svcFamily].uint16(b))
	id.Port = a[svcPort].port(b)
	id.Protocol = Protocol(a[svcProtocol].uint16(b))
	id.FWMark = a[svcFWMark].uint32(b)
	return id, err
}

// decodeDestination decodes the payload of a destination message into d. A kernel
// before 3.18 does not tell the address family: it is then the service's.
func decodeDestination(payload []byte, family uint16, detail Detail, d *Destination) error {
	b, err := nested(payload, attrDest)
	if err != nil {
		return err
	}
	var a [destStats64 + 1]span
	if err := parse(b, a[:], destAttrLen[:]); err != nil {
		return err
	}
	if a[destFamily].start != 0 {
		family = a[destFamily].uint16(b)
	}
	if d.Addr, err = decodeAddr(a[destAddr].value(b), family); err != nil {
		return err
	}
	d.Port = a[destPort].port(b)
	d.Forwarding = Forwarding(a[destForwarding].uint32(b)) & forwardingMask
	d.Weight = int32(a[destWeight].uint32(b))
	d.UpperThreshold = a[destUpper].uint32(b)
	d.LowerThreshold = a[destLower].uint32(b)
	d.Active = a[destActive].uint32(b)
	d.Inactive = a[destInactive].uint32(b)
	d.Persistent = a[destPersistent].uint32(b)
	if detail == WithStats {
		d.Stats, err = decodeStats(a[destStats].value(b), a[destStats64].value(b))
	}
	return err
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// uint32, uint16 and port read an attribute of b whose length parse has checked;
// one that is not there is 0.

func (s span) uint32(b []byte) uint32 {
	if s.start == 0 {
		return 0
	}
	return native.Uint32(b[s.start:])
}

func (s span) uint16(b []byte) uint16 {
	if s.start == 0 {
		return 0
	}
	return native.Uint16(b[s.start:])
}

func (s span) port(b []byte) uint16 {
	if s.start == 0 {
		return 0
	}
	return binary.BigEndian.Uint16(b[s.start:])
}

// decodeAddr decodes a union nf_inet_addr; none, as with a firewall mark, is the
// unspecified address.
func decodeAddr(v []byte, family uint16) (netip.Addr, error) {
	switch {
	case family == familyIPv4 && v == nil:
		return netip.IPv4Unspecified(), nil
	case family == familyIPv6 && v == nil:
		return netip.IPv6Unspecified(), nil
	case family == familyIPv4 && len(v) >= 4:
		return netip.AddrFrom4([4]byte(v)), nil
	case family == familyIPv6 && len(v) >= 16:
		return netip.AddrFrom16([16]byte(v)), nil
	}
	return netip.Addr{}, errMalformed
}

// decodeNetmask returns a prefix length, 0 for what is none.
func decodeNetmask(v []byte, family uint16) int {
	if v == nil {
		return 0
	}
	if family == familyIPv6 {
		if n := native.Uint32(v); n <= 128 {
			return int(n)
		}
		return 0
	}
	mask := binary.BigEndian.Uint32(v)
	if n := bits.LeadingZeros32(^mask); mask<<n == 0 {
		return n
	}
	return 0
}

// decodeStats prefers the 64-bit counters, which kernels have since 4.1.
func decodeStats(stats, stats64 []byte) (*Stats, error) {
	b := stats64
	if b == nil {
		b = stats
	}
	var v [statsOutByteRate + 1]uint64
	for len(b) > 0 {
		typ, value, rest, err := cutAttr(b)
		if err != nil {
			return nil, err
		}
		b = rest
		switch {
		case int(typ) >= len(v):
		case len(value) >= 8:
			v[typ] = native.Uint64(value)
		case len(value) >= 4:
			v[typ] = uint64(native.Uint32(value))
		default:
			return nil, errMalformed
		}
	}
	return &Stats{
		Connections: v[statsConnections], ConnectionRate: v[statsConnectionRate],
		InPackets: v[statsInPackets], InPacketRate: v[statsInPacketRate],
		OutPackets: v[statsOutPackets], OutPacketRate: v[statsOutPacketRate],
		InBytes: v[statsInBytes], InByteRate: v[statsInByteRate],
		OutBytes: v[statsOutBytes], OutByteRate: v[statsOutByteRate],
	}, nil
}

// schedulerName allocates nothing for a scheduler of Linux.
func schedulerName(v []byte) string {
	for _, s := range schedulers {
		if string(v) == s {
			return s
		}
	}
	return string(v)
}

// decodeWords reads a reply whose attributes are 32-bit values, by their type.
func decodeWords(payload []byte) (words [attrTimeoutUDP + 1]uint32, err error) {
	b, err := attributes(payload)
	if err != nil {
		return words, err
	}
	var a [len(words)]span
	if err := parse(b, a[:], wordAttrLen[:]); err != nil {
		return words, err
	}
	for i := range a {
		words[i] = a[i].uint32(b)
	}
	return words, nil
}

// decodeFamilyID finds the id in the controller's answer.
func decodeFamilyID(payload []byte) (uint16, error) {
	v, err := nested(payload, controlFamilyID)
	if err != nil || len(v) < 2 {
		return 0, errMalformed
	}
	return native.Uint16(v), nil
}

// decodeFamilyName finds the name in the controller's answer.
func decodeFamilyName(payload []byte) (string, error) {
	v, err := nested(payload, controlFamilyName)
	return string(cutNUL(v)), err
}
