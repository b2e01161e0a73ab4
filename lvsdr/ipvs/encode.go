package ipvs

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// Everything here appends to a buffer that the caller reuses: no attribute is
// allocated, and lengths are patched in when a message or a nest is closed.

// openMessage starts a message; closeMessage with the returned buffer's former
// length ends it.
func openMessage(b []byte, typ, flags uint16, seq uint32, cmd uint8) []byte {
	b = native.AppendUint32(b, 0)
	b = native.AppendUint16(b, typ)
	b = native.AppendUint16(b, flags|flagRequest)
	b = native.AppendUint32(b, seq)
	b = native.AppendUint32(b, 0) // the kernel
	return append(b, cmd, genlVersion, 0, 0)
}

func closeMessage(b []byte, start int) {
	native.PutUint32(b[start:], uint32(len(b)-start))
}

func openNest(b []byte, typ uint16) []byte {
	b = native.AppendUint16(b, 0)
	return native.AppendUint16(b, typ|attrNested)
}

func closeNest(b []byte, start int) {
	native.PutUint16(b[start:], uint16(len(b)-start))
}

func appendUint16(b []byte, typ, v uint16) []byte {
	b = native.AppendUint16(b, attrHeaderLen+2)
	b = native.AppendUint16(b, typ)
	b = native.AppendUint16(b, v)
	return append(b, 0, 0)
}

func appendUint32(b []byte, typ uint16, v uint32) []byte {
	b = native.AppendUint16(b, attrHeaderLen+4)
	b = native.AppendUint16(b, typ)
	return native.AppendUint32(b, v)
}

func appendPort(b []byte, typ, port uint16) []byte {
	b = native.AppendUint16(b, attrHeaderLen+2)
	b = native.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, port)
	return append(b, 0, 0)
}

func appendAddr(b []byte, typ uint16, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		b = native.AppendUint16(b, attrHeaderLen+4)
		b = native.AppendUint16(b, typ)
		return append(b, v[:]...)
	}
	v := a.As16()
	b = native.AppendUint16(b, attrHeaderLen+16)
	b = native.AppendUint16(b, typ)
	return append(b, v[:]...)
}

// appendString appends a NUL-terminated string.
func appendString(b []byte, typ uint16, s string) []byte {
	b = native.AppendUint16(b, uint16(attrHeaderLen+len(s)+1))
	b = native.AppendUint16(b, typ)
	b = append(b, s...)
	return append(b, "\x00\x00\x00\x00"[:4-len(s)%4]...)
}

// family is the address family of an address, 0 when it has none that IPVS knows.
func family(a netip.Addr) uint16 {
	switch {
	case a.Is4():
		return familyIPv4
	case a.Is6() && !a.Is4In6():
		return familyIPv6
	}
	return 0
}

// appendService appends the service, no more than its ID unless full.
func appendService(b []byte, s *Service, full bool) []byte {
	start := len(b)
	b = openNest(b, attrService)
	b = appendID(b, s.ID)
	if full {
		b = appendSettings(b, s)
	}
	closeNest(b, start)
	return b
}

func appendID(b []byte, id ID) []byte {
	b = appendUint16(b, svcFamily, family(id.Addr))
	if id.FWMark != 0 {
		return appendUint32(b, svcFWMark, id.FWMark)
	}
	b = appendUint16(b, svcProtocol, uint16(id.Protocol))
	b = appendAddr(b, svcAddr, id.Addr)
	return appendPort(b, svcPort, id.Port)
}

func appendSettings(b []byte, s *Service) []byte {
	b = appendString(b, svcScheduler, s.Scheduler)
	if s.PE != "" {
		b = appendString(b, svcPE, s.PE)
	}
	flags := s.Flags
	if s.Persistence > 0 {
		flags |= Persistent
	}
	b = native.AppendUint16(b, attrHeaderLen+8) // struct ip_vs_flags
	b = native.AppendUint16(b, svcFlags)
	b = native.AppendUint32(b, uint32(flags&^hashedFlag))
	b = native.AppendUint32(b, uint32(^hashedFlag))
	b = appendUint32(b, svcTimeout, uint32(s.Persistence/time.Second))
	return appendNetmask(b, s)
}

// appendNetmask appends an IPv4 mask in network order, or an IPv6 prefix length
// in native order (ip_vs_add_service).
func appendNetmask(b []byte, s *Service) []byte {
	if !s.Addr.Is4() {
		bits := s.Netmask
		if bits == 0 {
			bits = 128
		}
		return appendUint32(b, svcNetmask, uint32(bits))
	}
	mask := uint32(math.MaxUint32)
	if s.Netmask != 0 {
		mask <<= 32 - s.Netmask
	}
	b = native.AppendUint16(b, attrHeaderLen+4)
	b = native.AppendUint16(b, svcNetmask)
	return binary.BigEndian.AppendUint32(b, mask)
}

// appendDestination appends the destination, no more than its name unless full.
func appendDestination(b []byte, d *Destination, full bool) []byte {
	start := len(b)
	b = openNest(b, attrDest)
	b = appendAddr(b, destAddr, d.Addr)
	b = appendPort(b, destPort, d.Port)
	b = appendUint16(b, destFamily, family(d.Addr))
	if full {
		b = appendUint32(b, destForwarding, uint32(d.Forwarding))
		b = appendUint32(b, destWeight, uint32(d.Weight))
		b = appendUint32(b, destUpper, d.UpperThreshold)
		b = appendUint32(b, destLower, d.LowerThreshold)
	}
	closeNest(b, start)
	return b
}
