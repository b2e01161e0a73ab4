package filter

import "cmp"

// truth is the answer to whether a packet matches.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

// doubt is what an uncertain answer depends on, as bits.
type doubt uint8

const (
	aboutNamed doubt = 1 << iota // on whether the sender is one of those that the rule names
	aboutRest                    // on whether it is none of them
	aboutOther
	aboutSource = aboutNamed | aboutRest // on the sender
)

// An answer is a truth and, of maybe, the doubt.
type answer struct {
	truth truth
	doubt doubt
}

var (
	surely    = answer{truth: yes}
	never     = answer{truth: no}
	unknown   = answer{maybe, aboutOther}
	bySender  = answer{maybe, aboutNamed}
	unlimited = surely // within a rate: one packet is always under it
)

func when(b bool) answer {
	if b {
		return surely
	}
	return never
}

// and is the answer to both questions.
func (a answer) and(b answer) answer {
	switch {
	case a.truth == no || b.truth == no:
		return never
	case a.truth == yes && b.truth == yes:
		return surely
	}
	return answer{maybe, a.doubt | b.doubt}
}

// or is the answer to either question.
func (a answer) or(b answer) answer { return a.not().and(b.not()).not() }

func (a answer) not() answer {
	switch a.truth {
	case no:
		return surely
	case yes:
		return never
	}
	d := a.doubt &^ aboutSource
	if a.doubt&aboutNamed != 0 {
		d |= aboutRest
	}
	if a.doubt&aboutRest != 0 {
		d |= aboutNamed
	}
	return answer{maybe, d}
}

// not when inverted.
func (a answer) inverted(inverted bool) answer {
	if inverted {
		return a.not()
	}
	return a
}

// A cell is a byte of which perhaps only some bits are known. Those that are not may have
// one of the values that are possible, for [bits.guess].
type cell struct {
	value, known byte
	doubt        doubt // about the bits not known
}

// bits are bytes of a packet, or of a register.
type bits []cell

func known(data ...byte) bits {
	b := make(bits, len(data))
	for i, v := range data {
		b[i] = cell{v, 0xff, 0}
	}
	return b
}

// blank are n bytes of which nothing is known.
func blank(n int, d doubt) bits {
	b := make(bits, n)
	for i := range b {
		b[i].doubt = d
	}
	return b
}

// fill makes every byte the same.
func (b bits) fill(c cell) {
	for i := range b {
		b[i] = c
	}
}

// certain returns the bytes when all of them are known, in the room where that is large
// enough.
func (b bits) certain(room []byte) ([]byte, bool) {
	data := room[:0]
	for _, c := range b {
		if c.known != 0xff {
			return nil, false
		}
		data = append(data, c.value)
	}
	return data, true
}

// guess are the bytes with, for those not known, one of the values that they may have.
func (b bits) guess() []byte {
	var data []byte
	for _, c := range b {
		data = append(data, c.value)
	}
	return data
}

// doubts are those about all the bytes.
func (b bits) doubts() (d doubt) {
	for _, c := range b {
		if c.known != 0xff {
			d |= c.doubt
		}
	}
	return d
}

// forget makes the bytes unknown.
func (b bits) forget(from, to int) { copy(b[from:to], blank(to-from, aboutOther)) }

// equal compares with data, as many bytes as both have.
func (b bits) equal(data []byte) answer {
	a := surely
	for i := range min(len(b), len(data)) {
		switch c := b[i]; {
		case (c.value^data[i])&c.known != 0:
			return never
		case c.known != 0xff:
			a = a.and(answer{maybe, c.doubt})
		}
	}
	return a
}

// within compares with a range, both ends included, as big-endian numbers.
func (b bits) within(from, to []byte) answer {
	b = b[:min(len(b), len(from), len(to))]
	a := b.atLeast(from)
	if a.truth == maybe {
		return a
	}
	return a.and(b.atMost(to))
}

// atLeast compares as big-endian numbers, as many bytes as both have.
func (b bits) atLeast(data []byte) answer {
	order, a := b.compare(data)
	if a.truth != yes {
		return a
	}
	return when(order >= 0)
}

func (b bits) atMost(data []byte) answer {
	order, a := b.compare(data)
	if a.truth != yes {
		return a
	}
	return when(order <= 0)
}

// compare tells whether b is less (-1), the same (0) or more (1); that it cannot, when a
// byte is not known.
func (b bits) compare(data []byte) (order int, a answer) {
	b = b[:min(len(b), len(data))]
	for i, c := range b {
		if c.known != 0xff {
			return 0, answer{maybe, b.doubts()}
		}
		if order == 0 {
			order = cmp.Compare(c.value, data[i])
		}
	}
	return order, surely
}

// mask is "& mask ^ xor", of as many bytes as both have.
func (b bits) mask(mask, xor []byte) {
	for i := range min(len(b), len(mask), len(xor)) {
		c := &b[i]
		c.value, c.known = c.value&mask[i]^xor[i], c.known|^mask[i]
		if c.known == 0xff {
			c.doubt = 0
		}
	}
}
