package ipvs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// An Entry is a service with its real servers.
type Entry struct {
	Service
	Destinations []Destination
}

// Services returns the virtual services in the order of [ID.Compare].
func (c *Client) Services(ctx context.Context, detail Detail) ([]Service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.readServices(ctx, detail); err != nil {
		return nil, fmt.Errorf("ipvs: read services: %w", err)
	}
	return slices.Clone(c.svcs.list), nil
}

// Destinations returns the real servers of a service, ordered by address and
// port. It fails with [fs.ErrNotExist] when there is no such service.
func (c *Client) Destinations(ctx context.Context, id ID, detail Detail) ([]Destination, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.readDestinations(ctx, id, detail)
	if err == nil && len(c.dests.list) == 0 {
		err = c.find(ctx, id) // the kernel's answer is the same, and no error
	}
	if err != nil {
		return nil, fmt.Errorf("ipvs: read real servers of %v: %w", id, err)
	}
	return slices.Clone(c.dests.list), nil
}

// Table returns everything: the services in the order of [ID.Compare], each with
// its real servers ordered by address and port. The kernel has no snapshot to
// offer: a change made meanwhile may be in it or not.
func (c *Client) Table(ctx context.Context, detail Detail) ([]Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.readServices(ctx, detail); err != nil {
		return nil, fmt.Errorf("ipvs: read services: %w", err)
	}
	table := make([]Entry, len(c.svcs.list))
	for i, s := range c.svcs.list {
		if err := c.readDestinations(ctx, s.ID, detail); err != nil {
			return nil, fmt.Errorf("ipvs: read real servers of %v: %w", s.ID, err)
		}
		table[i] = Entry{s, slices.Clone(c.dests.list)}
	}
	return table, nil
}

// readServices reads into c.svcs. The kernel goes on with a dump by counting,
// so that a service removed between two pieces shifts the rest: one that is then
// told twice betrays it.
func (c *Client) readServices(ctx context.Context, detail Detail) error {
	c.svcs.detail = detail
	for range maxAttempts {
		c.open(0, flagDump, cmdGetService)
		if err := c.query(ctx, &c.svcs); err != nil {
			return err
		}
		if sortServices(c.svcs.list) {
			return nil
		}
	}
	return errInterrupted
}

// readDestinations reads into c.dests.
func (c *Client) readDestinations(ctx context.Context, id ID, detail Detail) error {
	if err := id.check(); err != nil {
		return err
	}
	c.dests.detail, c.dests.family = detail, family(id.Addr)
	for range maxAttempts {
		c.open(0, flagDump, cmdGetDest)
		c.request = appendService(c.request, &Service{ID: id}, false)
		if err := c.query(ctx, &c.dests); err != nil {
			return err
		}
		if sortDestinations(c.dests.list) {
			return nil
		}
	}
	return errInterrupted
}

// sortServices sorts the list and tells whether no two in it are the same.
func sortServices(list []Service) bool {
	slices.SortFunc(list, func(a, b Service) int { return a.ID.Compare(b.ID) })
	for i := 1; i < len(list); i++ {
		if list[i-1].ID == list[i].ID {
			return false
		}
	}
	return true
}

// sortDestinations sorts the list and tells whether no two in it are the same.
// The kernel tells the newest first, which mostly is the order turned round.
func sortDestinations(list []Destination) bool {
	slices.Reverse(list)
	if ascend(list) {
		return true
	}
	slices.SortFunc(list, func(a, b Destination) int { return a.compare(&b) })
	return ascend(list)
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

// find fails with fs.ErrNotExist when there is no such service.
func (c *Client) find(ctx context.Context, id ID) error {
	c.open(0, 0, cmdGetService)
	c.request = appendService(c.request, &Service{ID: id}, false)
	return c.query(ctx, &services{})
}

// services collects service messages.
type services struct {
	detail Detail
	list   []Service
}

func (s *services) reset() { s.list = s.list[:0] }

func (s *services) add(payload []byte) error {
	s.list = append(s.list, Service{})
	return decodeService(payload, s.detail, &s.list[len(s.list)-1])
}

// destinations collects destination messages.
type destinations struct {
	detail Detail
	family uint16
	list   []Destination
}

func (d *destinations) reset() { d.list = d.list[:0] }

func (d *destinations) add(payload []byte) error {
	d.list = append(d.list, Destination{})
	return decodeDestination(payload, d.family, d.detail, &d.list[len(d.list)-1])
}
