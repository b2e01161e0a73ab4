package ipvs

import (
	"cmp"
	"slices"
)

// services collects service messages.
type services struct {
	detail Detail
	list   []Service // as the kernel tells them: in the order of its hash table
}

func (s *services) reset() { s.list = s.list[:0] }

func (s *services) add(payload []byte) error {
	s.list = append(s.list, Service{})
	return decodeService(payload, s.detail, &s.list[len(s.list)-1])
}

// sorted returns the services in the order of their IDs. What is moved about to
// find it are indexes, because a row is large.
func (s *services) sorted() []Service {
	order := make([]int32, len(s.list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return s.list[a].ID.Compare(s.list[b].ID) })
	list := make([]Service, len(order))
	for i, at := range order {
		list[i] = s.list[at]
	}
	return list
}

// again compares service messages with those of an earlier answer.
type again struct {
	list   []Service
	at     int
	differ bool
}

func (a *again) reset() { a.at, a.differ = 0, false }

func (a *again) add(payload []byte) error {
	id, err := decodeID(payload)
	if a.at >= len(a.list) || a.list[a.at].ID != id {
		a.differ = true
	}
	a.at++
	return err
}

func (a *again) same() bool { return a.at == len(a.list) && !a.differ }

// destinations collects destination messages.
type destinations struct {
	detail Detail
	family uint16 // the service's
	list   []Destination
}

func (d *destinations) reset() { d.list = d.list[:0] }

func (d *destinations) add(payload []byte) error {
	d.list = append(d.list, Destination{})
	return decodeDestination(payload, d.family, d.detail, &d.list[len(d.list)-1])
}

// sorted returns the real servers ordered by address and port, and whether none
// is there twice. The kernel tells the newest first, which mostly is the order
// turned round.
func (d *destinations) sorted() ([]Destination, bool) {
	n := len(d.list)
	list := make([]Destination, n)
	for i := range list {
		list[n-1-i] = d.list[i]
	}
	if ascend(list) {
		return list, true
	}
	slices.SortFunc(list, func(a, b Destination) int { return a.compare(&b) })
	return list, ascend(list)
}

func ascend(list []Destination) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1].compare(&list[i]) >= 0 {
			return false
		}
	}
	return true
}

func (d *Destination) compare(other *Destination) int {
	if c := d.Addr.Compare(other.Addr); c != 0 {
		return c
	}
	return cmp.Compare(d.Port, other.Port)
}
