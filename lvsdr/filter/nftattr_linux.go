package filter

import (
	"encoding/binary"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// attributes are those of a netlink message, the last one of each type. A nil map
// has none.
type attributes map[uint16][]byte

func parseAttributes(data []byte) (attributes, error) {
	all := attributes{}
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return nil, err
	}
	for ad.Next() {
		all[ad.Type()] = ad.Bytes()
	}
	return all, ad.Err()
}

// list are the elements of a list attribute.
func list(data []byte) [][]byte {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return nil
	}
	var all [][]byte
	for ad.Next() {
		if ad.Type() == unix.NFTA_LIST_ELEM {
			all = append(all, ad.Bytes())
		}
	}
	return all
}

func (a attributes) has(typ uint16) bool { _, ok := a[typ]; return ok }

// number is 0 when there is none. nf_tables has its numbers in network byte order.
func (a attributes) number(typ uint16) uint32 {
	switch b := a[typ]; len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.BigEndian.Uint16(b))
	case 4:
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (a attributes) text(typ uint16) string { return strings.TrimRight(string(a[typ]), "\x00") }

func (a attributes) nested(typ uint16) attributes {
	if !a.has(typ) {
		return nil
	}
	n, err := parseAttributes(a[typ])
	if err != nil {
		return nil
	}
	return n
}

// data is a value to compare with or to load.
func (a attributes) data(typ uint16) []byte { return a.nested(typ)[unix.NFTA_DATA_VALUE] }

// An expression is a piece of a rule, as the kernel tells of it.
type expression struct {
	name string
	attributes
}

func parseExpressions(data []byte) []expression {
	var all []expression
	for _, e := range list(data) {
		a, err := parseAttributes(e)
		if err != nil {
			a = attributes{}
		}
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
