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
	statsAttrLen = [statsOutByteRate + 1]uint8{0, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}
	wordAttrLen  = [attrTimeoutUDP + 1]uint8{4, 4, 4, 4, 4, 4, 4}
)

// decodeService decodes the payload of a service message.
func decodeService(payload []byte, detail Detail) (s Service, err error) {
	var a [svcStats64 + 1][]byte
	b, err := nested(payload, attrService)
	if err != nil {
		return Service{}, err
	}
	if err := parse(b, a[:], svcAttrLen[:]); err != nil {
		return Service{}, err
	}
	family := word16(a[svcFamily])
	if s.Addr, err = decodeAddr(a[svcAddr], family); err != nil {
		return Service{}, err
	}
	s.Port = port(a[svcPort])
	s.Protocol = Protocol(word16(a[svcProtocol]))
	s.FWMark = word(a[svcFWMark])
	s.Scheduler = schedulerName(cutNUL(a[svcScheduler]))
	s.PE = string(cutNUL(a[svcPE]))
	s.Flags = Flags(word(a[svcFlags])) &^ hashedFlag
	if s.Flags&Persistent != 0 { // without it the kernel keeps the last one
		s.Persistence = time.Duration(word(a[svcTimeout])) * time.Second
	}
	s.Netmask = decodeNetmask(a[svcNetmask], family)
	if detail == WithStats {
		s.Stats, err = decodeStats(a[svcStats], a[svcStats64])
	}
	return s, err
}

// decodeDestination decodes the payload of a destination message. A kernel
// before 3.18 does not tell the address family: it is then the service's.
func decodeDestination(payload []byte, family uint16, detail Detail) (d Destination, err error) {
	var a [destStats64 + 1][]byte
	b, err := nested(payload, attrDest)
	if err != nil {
		return Destination{}, err
	}
	if err := parse(b, a[:], destAttrLen[:]); err != nil {
		return Destination{}, err
	}
	if a[destFamily] != nil {
		family = word16(a[destFamily])
	}
	if d.Addr, err = decodeAddr(a[destAddr], family); err != nil {
		return Destination{}, err
	}
	d.Port = port(a[destPort])
	d.Forwarding = Forwarding(word(a[destForwarding])) & forwardingMask
	d.Weight = int32(word(a[destWeight]))
	d.UpperThreshold = word(a[destUpper])
	d.LowerThreshold = word(a[destLower])
	d.Active = word(a[destActive])
	d.Inactive = word(a[destInactive])
	d.Persistent = word(a[destPersistent])
	if detail == WithStats {
		d.Stats, err = decodeStats(a[destStats], a[destStats64])
	}
	return d, err
}

// word, word16 and port read attributes whose length parse has checked; one that
// is not there is 0.

func word(v []byte) uint32 {
	if v == nil {
		return 0
	}
	return native.Uint32(v)
}

func word16(v []byte) uint16 {
	if v == nil {
		return 0
	}
	return native.Uint16(v)
}

func port(v []byte) uint16 {
	if v == nil {
		return 0
	}
	return binary.BigEndian.Uint16(v)
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
func decodeStats(stats, stats64 []byte) (Stats, error) {
	b := stats64
	if b == nil {
		b = stats
	}
	var a [statsOutByteRate + 1][]byte
	if err := parse(b, a[:], statsAttrLen[:]); err != nil {
		return Stats{}, err
	}
	return Stats{
		Connections:    counter(a[statsConnections]),
		InPackets:      counter(a[statsInPackets]),
		OutPackets:     counter(a[statsOutPackets]),
		InBytes:        counter(a[statsInBytes]),
		OutBytes:       counter(a[statsOutBytes]),
		ConnectionRate: counter(a[statsConnectionRate]),
		InPacketRate:   counter(a[statsInPacketRate]),
		OutPacketRate:  counter(a[statsOutPacketRate]),
		InByteRate:     counter(a[statsInByteRate]),
		OutByteRate:    counter(a[statsOutByteRate]),
	}, nil
}

// counter reads 32 or 64 bits.
func counter(v []byte) uint64 {
	if len(v) >= 8 {
		return native.Uint64(v)
	}
	return uint64(word(v))
}

// schedulers are the kernel's, listed so that no name need be allocated.
var schedulers = [...]string{"wrr", "rr", "wlc", "lc", "sh", "mh", "dh", "lblc", "lblcr", "sed", "nq",
	"fo", "ovf", "twos"}

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
	var a [len(words)][]byte
	if err := parse(b, a[:], wordAttrLen[:]); err != nil {
		return words, err
	}
	for i, v := range a {
		words[i] = word(v)
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
