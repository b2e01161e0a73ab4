package filter

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
)

// An nftSet is a set or a map.
type nftSet struct {
	name      string
	anonymous bool
	isMap     bool
	interval  bool
	keyLen    int
	fields    []int     // the lengths of a concatenation's fields, each filled up to four bytes in the key
	elements  []element // sorted by their keys
	paired    bool      // of an interval set of one field: all elements have both ends
	catchAll  *element  // "*"
	objects   uint32    // of a map to objects: their kind
}

// An element has a key, or all between key and end.
type element struct {
	key, end []byte
	value    []byte   // a map's
	verdict  *verdict // a verdict map's
	closes   bool     // an interval set: the first key beyond the element before
}

// arrange prepares the set for looking up.
func (s *nftSet) arrange() {
	slices.SortStableFunc(s.elements, func(a, b element) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		switch { // one ends where the next begins
		case a.closes && !b.closes:
			return -1
		case b.closes && !a.closes:
			return 1
		}
		return 0
	})
	if s.interval && len(s.fields) < 2 {
		s.pair()
	}
}

// pair makes ranges of the kernel's marks of where they begin and end.
func (s *nftSet) pair() {
	marks := s.elements
	s.elements, s.paired = marks[:0], true
	for i, m := range marks {
		if m.closes {
			continue
		}
		if m.end == nil {
			if i+1 < len(marks) {
				m.end = before(marks[i+1].key)
			} else {
				m.end = bytes.Repeat([]byte{0xff}, len(m.key))
			}
		}
		s.elements = append(s.elements, m) // in the place of one that was looked at
	}
}

// before is the number one less.
func before(key []byte) []byte {
	b := slices.Clone(key)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}

// find returns elements that the key may be in: of those to the same verdict, or of all
// where there are none, one. Only when one surely is, that one is alone, and the answer
// yes.
func (s *nftSet) find(key bits) (answer, []element) {
	var room [maxKey]byte
	if data, ok := key.certain(room[:]); ok {
		if e, ok := s.findCertain(data, key); ok {
			return surely, []element{e}
		}
		if s.catchAll != nil {
			return surely, []element{*s.catchAll}
		}
		return never, nil
	}
	a, found := never, []element(nil)
	for _, e := range s.elements {
		m := s.matches(e, key)
		if m.truth == no {
			continue
		}
		if m.truth == yes {
			return surely, []element{e}
		}
		a, found = a.or(m), withElement(found, e)
		if !s.isMap {
			break
		}
	}
	if s.catchAll != nil {
		return surely.and(answer{maybe, key.doubts()}), withElement(found, *s.catchAll)
	}
	return a, found
}

// findAny returns the elements of all numbers that it may be, as find does: the answer is
// yes when each has one.
func (s *nftSet) findAny(one oneOf) (answer, []element) {
	if one.many > mostNumbers {
		return unknown, s.elements[:min(len(s.elements), 1)]
	}
	var found []element
	missed := false
	for n := range one.many {
		var data [4]byte
		if one.bigEndian {
			binary.BigEndian.PutUint32(data[:], one.first+n)
		} else {
			binary.LittleEndian.PutUint32(data[:], one.first+n)
		}
		a, of := s.find(known(data[:]...))
		if a.truth == no {
			missed = true
			continue
		}
		found = withElement(found, of[0])
	}
	switch {
	case len(found) == 0:
		return never, nil
	case missed:
		return unknown, found
	}
	return surely, found
}

// mostNumbers is how many are looked up.
const mostNumbers = 1 << 12

// withElement adds one to a verdict that none of the others has.
func withElement(found []element, e element) []element {
	for _, f := range found {
		if e.verdict == nil || f.verdict != nil && *f.verdict == *e.verdict {
			return found
		}
	}
	return append(found, e)
}

func (s *nftSet) findCertain(data []byte, key bits) (element, bool) {
	i := sort.Search(len(s.elements), func(i int) bool { return bytes.Compare(s.elements[i].key, data) > 0 }) - 1
	if s.paired {
		if i < 0 || bytes.Compare(data, s.elements[i].end) > 0 {
			return element{}, false
		}
		return s.elements[i], true
	}
	for ; i >= 0 && bytes.Equal(s.elements[i].key, data); i-- {
		if e := s.elements[i]; e.end == nil || bytes.Equal(e.end, data) {
			return e, true
		}
	}
	if !s.interval {
		return element{}, false
	}
	for _, e := range s.elements {
		if e.end != nil && s.matches(e, key).truth == yes {
			return e, true
		}
	}
	return element{}, false
}

// matches compares field by field.
func (s *nftSet) matches(e element, key bits) answer {
	if e.end == nil {
		return key.equal(e.key)
	}
	fields := s.fields
	if len(fields) == 0 {
		fields = []int{len(e.key)}
	}
	a, at := surely, 0
	for _, n := range fields {
		next := at + (n+3)&^3
		if at+n > len(key) || at+n > len(e.key) || at+n > len(e.end) {
			return unknown
		}
		a = a.and(key[at:at+n].within(e.key[at:at+n], e.end[at:at+n]))
		at = next
	}
	return a
}
