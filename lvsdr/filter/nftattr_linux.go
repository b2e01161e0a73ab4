package filter

import (
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// attributes are those of a netlink message, in their order. A slice, because rules have
// a handful each, and a host tens of thousands of rules: a map of four takes eight times
// the room.
type attributes []attribute

type attribute struct {
	typ   uint16
	value []byte // part of the message
}

var errAttributes = errors.New("attributes of a netlink message are cut off")

// parseAttributes reads attributes (struct nlattr, include/uapi/linux/netlink.h): length
// and type in the machine's byte order, the value, padding to four bytes.
func parseAttributes(data []byte) (attributes, error) {
	all := make(attributes, 0, 4)
	for len(data) > 0 {
		if len(data) < unix.SizeofNlAttr {
			return nil, errAttributes
		}
		length := int(binary.NativeEndian.Uint16(data))
		if length < unix.SizeofNlAttr || length > len(data) {
			return nil, errAttributes
		}
		typ := binary.NativeEndian.Uint16(data[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		all = append(all, attribute{typ, data[unix.SizeofNlAttr:length:length]})
		data = data[min(len(data), (length+3)&^3):]
	}
	return all, nil
}

// list are the elements of a list attribute.
func list(data []byte) [][]byte {
	elements, err := parseAttributes(data)
	if err != nil {
		return nil
	}
	all := make([][]byte, 0, len(elements))
	for _, e := range elements {
		if e.typ == unix.NFTA_LIST_ELEM {
			all = append(all, e.value)
		}
	}
	return all
}

// find returns the last attribute of a type.
func (a attributes) find(typ uint16) (value []byte, ok bool) {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i].typ == typ {
			return a[i].value, true
		}
	}
	return nil, false
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

func (a attributes) text(typ uint16) string { return strings.TrimRight(string(a.get(typ)), "\x00") }

func (a attributes) nested(typ uint16) attributes {
	value, ok := a.find(typ)
	if !ok {
		return nil
	}
	n, err := parseAttributes(value)
	if err != nil {
		return nil
	}
	return n
}

// data is a value to compare with or to load.
func (a attributes) data(typ uint16) []byte { return a.nested(typ).get(unix.NFTA_DATA_VALUE) }

// An expression is a piece of a rule, as the kernel tells of it.
type expression struct {
	name string
	attributes
}

func parseExpressions(data []byte) []expression {
	elements := list(data)
	all := make([]expression, 0, len(elements))
	for _, e := range elements {
		a, _ := parseAttributes(e) // without a name, what it does is not known
		all = append(all, expression{a.text(unix.NFTA_EXPR_NAME), a.nested(unix.NFTA_EXPR_DATA)})
	}
	return all
}

// comment reads a rule's user data as nft writes it: type, length, value.
func comment(data []byte) string {
	const typeComment = 0
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		value := data[2 : 2+int(data[1])]
		if data[0] == typeComment {
			return strings.TrimRight(string(value), "\x00")
		}
		data = data[2+len(value):]
	}
	return ""
}
