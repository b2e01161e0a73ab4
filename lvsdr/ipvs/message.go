package ipvs

import (
	"bytes"
	"math"
	"syscall"
)

// message is a netlink message without its length.
type message struct {
	typ, flags uint16
	seq        uint32
	payload    []byte
}

// cutMessage splits the first message off a datagram.
func cutMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < headerLen {
		return message{}, nil, errMalformed
	}
	n := int(native.Uint32(b))
	if n < headerLen || n > len(b) {
		return message{}, nil, errMalformed
	}
	m = message{native.Uint16(b[4:]), native.Uint16(b[6:]), native.Uint32(b[8:]), b[headerLen:n]}
	return m, b[min(align4(n), len(b)):], nil
}

// cutAttr splits the first attribute off a list of them.
func cutAttr(b []byte) (typ uint16, value, rest []byte, err error) {
	if len(b) < attrHeaderLen {
		return 0, nil, nil, errMalformed
	}
	n, typ := attrHeader(b)
	if n < attrHeaderLen || n > len(b) {
		return 0, nil, nil, errMalformed
	}
	return typ, b[attrHeaderLen:n], b[min(align4(n), len(b)):], nil
}

// attrHeader returns the length and type of the attribute that b starts with, by
// one load.
func attrHeader(b []byte) (n int, typ uint16) {
	h := native.Uint32(b)
	if bigEndian {
		h = h<<16 | h>>16
	}
	return int(h & 0xffff), uint16(h>>16) & attrTypeMask
}

func align4(n int) int { return (n + 3) &^ 3 }

// span is where an attribute's value lies in a list of attributes; 0 is nowhere.
type span struct{ start, end uint16 }

// parse finds the attributes of a list by type, and skips types that spans has no
// place for: later kernels add some. An attribute must have at least as many bytes
// as least says for its type. It makes no slices, because it is where reading a
// large table spends its time.
func parse(b []byte, spans []span, least []uint8) error {
	if len(b) > math.MaxUint16 {
		return errMalformed
	}
	least = least[:len(spans)]
	at := 0
	for len(b) >= attrHeaderLen {
		n, typ := attrHeader(b)
		if n < attrHeaderLen || n > len(b) {
			return errMalformed
		}
		if int(typ) < len(spans) {
			if n < attrHeaderLen+int(least[typ]) {
				return errMalformed
			}
			spans[typ] = span{uint16(at + attrHeaderLen), uint16(at + n)}
		}
		step := align4(n)
		if step >= len(b) {
			return nil
		}
		at += step
		b = b[step:]
	}
	if len(b) > 0 {
		return errMalformed
	}
	return nil
}

// value returns the bytes of an attribute of b, nil when it is not there.
func (s span) value(b []byte) []byte {
	if s.start == 0 {
		return nil
	}
	return b[s.start:s.end]
}

// attributes returns the attributes of a generic netlink payload.
func attributes(payload []byte) ([]byte, error) {
	if len(payload) < genlHeaderLen {
		return nil, errMalformed
	}
	return payload[genlHeaderLen:], nil
}

// nested returns the attributes inside the attribute typ of a payload.
func nested(payload []byte, typ uint16) ([]byte, error) {
	b, err := attributes(payload)
	if err != nil {
		return nil, err
	}
	for len(b) > 0 {
		t, v, rest, err := cutAttr(b)
		if err != nil {
			return nil, err
		}
		if t == typ {
			return v, nil
		}
		b = rest
	}
	return nil, errMalformed
}

// decodeError returns the kernel's refusal out of an error or done message, nil
// when it is an acknowledgement.
func decodeError(m message) error {
	if len(m.payload) < 4 {
		if m.typ == msgDone {
			return nil
		}
		return errMalformed
	}
	code := int32(native.Uint32(m.payload))
	if code == 0 {
		return nil
	}
	return &Error{Errno: syscall.Errno(-code), Message: errorMessage(m)}
}

// errorMessage returns the NLMSGERR_ATTR_MSG that may follow the error code and,
// in an error message, the header or the whole of the request.
func errorMessage(m message) string {
	if m.flags&flagAckTLVs == 0 {
		return ""
	}
	b := m.payload[4:]
	if m.typ == msgError {
		b = b[min(repeatedLen(m.flags, b), len(b)):]
	}
	var a [errorAttrMessage + 1]span
	if parse(b, a[:], make([]uint8, len(a))) != nil {
		return ""
	}
	return string(cutNUL(a[errorAttrMessage].value(b)))
}

// repeatedLen is the length of the request that an error message repeats.
func repeatedLen(flags uint16, b []byte) int {
	if flags&flagCapped != 0 || len(b) < headerLen {
		return headerLen
	}
	return align4(int(min(native.Uint32(b), uint32(len(b)))))
}

func cutNUL(v []byte) []byte {
	if i := bytes.IndexByte(v, 0); i >= 0 {
		return v[:i]
	}
	return v
}
