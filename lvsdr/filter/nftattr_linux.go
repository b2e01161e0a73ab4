package filter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"

	"golang.org/x/sys/unix"
)

// attributes are those of a netlink message (struct nlattr, include/uapi/linux/netlink.h),
// as the kernel has written them: length and type in the machine's byte order, the value,
// padding to four bytes. They are looked for where they are, because a host has tens of
// thousands of rules: taken apart, they fill many times the room.
type attributes []byte

var errAttributes = errors.New("attributes of a netlink message are cut off")

// parseAttributes makes sure that no attribute is cut off.
func parseAttributes(data []byte) (attributes, error) {
	for rest := attributes(data); len(rest) > 0; {
		var ok bool
		if _, _, rest, ok = rest.cut(); !ok {
			return nil, errAttributes
		}
	}
	return data, nil
}

// cut takes off the first attribute; ok is false when there is no whole one.
func (a attributes) cut() (typ uint16, value []byte, rest attributes, ok bool) {
	if len(a) < unix.SizeofNlAttr {
		return 0, nil, nil, false
	}
	length := int(binary.NativeEndian.Uint16(a))
	if length < unix.SizeofNlAttr || length > len(a) {
		return 0, nil, nil, false
	}
	typ = binary.NativeEndian.Uint16(a[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	return typ, a[unix.SizeofNlAttr:length:length], a[min(len(a), (length+3)&^3):], true
}

// list are the elements of a list attribute.
func list(data []byte) iter.Seq[attributes] {
	return func(yield func(attributes) bool) {
		for rest := attributes(data); ; {
			typ, value, next, ok := rest.cut()
			if !ok || typ == unix.NFTA_LIST_ELEM && !yield(value) {
				return
			}
			rest = next
		}
	}
}

// find returns the last attribute of a type.
func (a attributes) find(typ uint16) (value []byte, found bool) {
	for {
		t, v, rest, ok := a.cut()
		if !ok {
			return value, found
		}
		if t == typ {
			value, found = v, true
		}
		a = rest
	}
}

// get is nil when there is none.
func (a attributes) get(typ uint16) []byte {
	value, _ := a.find(typ)
	return value
}

func (a attributes) has(typ uint16) bool { _, ok := a.find(typ); return ok }

// number is 0 when there is none. nf_tables has its numbers in network byte order.
func (a attributes) number(typ uint16) uint32 {
	switch b := a.get(typ); len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.BigEndian.Uint16(b))
	case 4:
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// word is a text as bytes of the message: to compare it takes no copy.
func (a attributes) word(typ uint16) []byte { return bytes.TrimRight(a.get(typ), "\x00") }

func (a attributes) text(typ uint16) string { return string(a.word(typ)) }

func (a attributes) nested(typ uint16) attributes { return a.get(typ) }

// data is a value to compare with or to load.
func (a attributes) data(typ uint16) []byte { return a.nested(typ).get(unix.NFTA_DATA_VALUE) }

// An expression is a piece of a rule, as the kernel tells of it: its name, and what is in
// it.
type expression struct {
	name []byte
	attributes
}

func (e expression) is(name string) bool { return string(e.name) == name }

// expressions are those of a list attribute, in their order.
type expressions []byte

// cut takes off the first expression. (A range over a function would put the rule's
// registers into the heap, for each packet that is held against it.)
func (l expressions) cut() (e expression, rest expressions, ok bool) {
	for typ, value, next, ok := attributes(l).cut(); ok; typ, value, next, ok = next.cut() {
		if typ == unix.NFTA_LIST_ELEM {
			a := attributes(value)
			return expression{a.word(unix.NFTA_EXPR_NAME), a.nested(unix.NFTA_EXPR_DATA)}, expressions(next), true
		}
	}
	return expression{}, nil, false
}

// comment reads a rule's user data as nft writes it: type, length, value.
func comment(data []byte) string {
	const typeComment = 0
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		value := data[2 : 2+int(data[1])]
		if data[0] == typeComment {
			return string(bytes.TrimRight(value, "\x00"))
		}
		data = data[2+len(value):]
	}
	return ""
}
