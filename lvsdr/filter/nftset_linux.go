package filter

import (
	"bytes"
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
	fields    []int // the lengths of a concatenation's fields, each filled up to four bytes in the key
	elements  []element
	catchAll  *element // "*"

	exact  map[string]int // where an element with this key is
	ranges []element      // of an interval set of one field: sorted, with both ends
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
	if s.interval && len(s.fields) < 2 {
		s.pair()
		return
	}
	s.exact = make(map[string]int, len(s.elements))
	for i, e := range s.elements {
		if e.end == nil || bytes.Equal(e.key, e.end) {
			s.exact[string(e.key)] = i
		}
	}
}

// pair makes ranges of the kernel's marks of where they begin and end.
func (s *nftSet) pair() {
	marks := slices.Clone(s.elements)
	slices.SortStableFunc(marks, func(a, b element) int {
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
	for i, m := range marks {
		if m.closes {
			continue
		}
		if m.end == nil {
			m.end = bytes.Repeat([]byte{0xff}, len(m.key))
			if i+1 < len(marks) {
				m.end = before(marks[i+1].key)
			}
		}
		s.ranges = append(s.ranges, m)
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

// find returns the elements that the key may be in. Only when one surely is, that
// one is alone, and the answer yes.
func (s *nftSet) find(key bits) (answer, []element) {
	if data, ok := key.certain(); ok {
		if e, ok := s.findCertain(data, key); ok {
			return surely, []element{e}
		}
		if s.catchAll != nil {
			return surely, []element{*s.catchAll}
		}
		return never, nil
	}
	a, found := never, []element(nil)
	elements := s.elements
	if s.ranges != nil {
		elements = s.ranges
	}
	for _, e := range elements {
		m := s.matches(e, key)
		if m.truth == no {
			continue
		}
		a, found = a.or(m), append(found, e)
		if m.truth == yes || !s.isMap {
			break
		}
	}
	if a.truth == yes {
		return surely, found[len(found)-1:]
	}
	if s.catchAll != nil {
		return surely.and(answer{maybe, key.doubts()}), append(found, *s.catchAll)
	}
	return a, found
}

func (s *nftSet) findCertain(data []byte, key bits) (element, bool) {
	if s.ranges != nil {
		i := sort.Search(len(s.ranges), func(i int) bool { return bytes.Compare(s.ranges[i].key, data) > 0 }) - 1
		if i < 0 || bytes.Compare(data, s.ranges[i].end) > 0 {
			return element{}, false
		}
		return s.ranges[i], true
	}
	if i, ok := s.exact[string(data)]; ok {
		return s.elements[i], true
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
