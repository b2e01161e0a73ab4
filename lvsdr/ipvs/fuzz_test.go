package ipvs

import (
	"bytes"
	"testing"
)

// More seeds are in testdata/fuzz: what a 6.1 kernel answered to us. Those given
// here are requests, whose attributes are the same.

func FuzzDecodeService(f *testing.F) {
	for _, s := range roundTrips {
		b, err := appendCommand(nil, Command{Op: AddService, Service: &s}, 1, 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[headerLen:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := readService(payload, WithStats)
		if err != nil {
			return
		}
		plain, err := readService(payload, Plain)
		if s.Stats = nil; err != nil || plain != s {
			t.Errorf("with stats %+v, plain %+v, %v", s, plain, err)
		}
		if id, err := decodeID(payload); err != nil || id != s.ID {
			t.Errorf("alone %+v, %v, in the service %+v", id, err, s.ID)
		}
		roundTripService(t, s)
	})
}

// roundTripService checks that a service that was read, and that can be written,
// reads back as the same.
func roundTripService(t *testing.T, s Service) {
	b, err := appendCommand(nil, Command{Op: SetService, Service: &s}, 1, 1)
	if err != nil || s.Netmask == 0 || (s.Flags&Persistent != 0) != (s.Persistence > 0) {
		return
	}
	if s.FWMark != 0 {
		s.Port, s.Protocol = 0, 0
		s.Addr, _ = decodeAddr(nil, family(s.Addr))
	}
	again, err := readService(b[headerLen:], Plain)
	if err != nil || again != s {
		t.Errorf("wrote %+v\nread  %+v, %v", s, again, err)
	}
}

func FuzzDecodeDestination(f *testing.F) {
	b, err := appendCommand(nil, Command{AddDestination, &Service{ID: web}, &Destination{Addr: rip, Port: 80, Weight: 1}}, 1, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[headerLen:], uint16(familyIPv4))
	f.Fuzz(func(t *testing.T, payload []byte, af uint16) {
		d, err := readDestination(payload, af, WithStats)
		if err != nil {
			return
		}
		d.Stats, d.Active, d.Inactive, d.Persistent = nil, 0, 0, 0
		b, err := appendCommand(nil, Command{SetDestination, &Service{ID: web}, &d}, 1, 1)
		if err != nil {
			return
		}
		if again, err := readDestination(b[headerLen:], 0, Plain); err != nil || again != d {
			t.Errorf("wrote %+v\nread  %+v, %v", d, again, err)
		}
	})
}

func FuzzDecodeMessages(f *testing.F) {
	ack := append(openMessage(nil, msgError, flagAckTLVs, 1, 0), make([]byte, 16)...)
	f.Add(appendString(ack, errorAttrMessage, "refused"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		datagram = bytes.Clone(datagram)
		for len(datagram) > 0 {
			m, rest, err := cutMessage(datagram)
			if err != nil {
				return
			}
			if len(rest) >= len(datagram) {
				t.Fatal("no progress")
			}
			_ = decodeError(m)
			_, _ = decodeWords(m.payload)
			_, _ = decodeFamilyID(m.payload)
			_, _ = decodeFamilyName(m.payload)
			datagram = rest
		}
	})
}
