package filter

import "context"

// Once returns a context by which [Load] reads the rules of nf_tables, and those of legacy
// iptables, once, and anew only where somebody has changed them since, or the network
// namespace is another one. It is for who asks several times in a row: what was read is
// kept for as long as the context. A context that has it already is returned as it is.
func Once(ctx context.Context) context.Context {
	if readingOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, readingKey{}, &reading{turn: make(chan struct{}, 1)})
}

// Reads tells how often the rules of nf_tables, and those of legacy iptables, were read by
// a context of [Once].
func Reads(ctx context.Context) (nftables, legacy int) {
	r := readingOf(ctx)
	if r == nil {
		return 0, 0
	}
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	return r.nftables.reads, r.legacy.reads
}

type readingKey struct{}

// A reading is what was read last, and when.
type reading struct {
	turn             chan struct{} // holds the one who reads
	nftables, legacy kept
}

type kept struct {
	at    moment
	rules *Ruleset // nil: nothing yet
	reads int
}

// A moment is a network namespace between two changes of its rules.
type moment struct {
	namespace string
	state     uint64
}

func readingOf(ctx context.Context) *reading {
	r, _ := ctx.Value(readingKey{}).(*reading)
	return r
}

// get returns what was read, and reads where that is of another moment than now's. What
// changes meanwhile is not kept, nor what is of a moment that cannot be told.
func (r *reading) get(ctx context.Context, k *kept, now func() (moment, error), read func() (*Ruleset, error)) (*Ruleset, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-r.turn }()
	before, unknown := now()
	if unknown == nil && k.rules != nil && k.at == before {
		return k.rules, nil
	}
	k.rules = nil
	k.reads++
	rules, err := read()
	if err != nil || unknown != nil {
		return rules, err
	}
	if after, err := now(); err == nil && after == before {
		k.at, k.rules = before, rules
	}
	return rules, nil
}
