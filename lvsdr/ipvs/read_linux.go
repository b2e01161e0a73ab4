package ipvs

import (
	"context"
	"fmt"
)

// Services returns the virtual services in the order of [ID.Compare].
func (c *Client) Services(ctx context.Context, detail Detail) ([]Service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readServices(ctx, detail)
}

// Destinations returns the real servers of a service, ordered by address and
// port. It fails with [fs.ErrNotExist] when there is no such service.
func (c *Client) Destinations(ctx context.Context, id ID, detail Detail) ([]Destination, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, err := c.readDestinations(ctx, id, detail)
	if err == nil && len(list) == 0 {
		err = c.find(ctx, id) // to the dump it is the same, and no error
	}
	return list, err
}

// Table returns everything: the services in the order of [ID.Compare], each with
// its real servers ordered by address and port. The kernel has no snapshot to
// offer: of changes made meanwhile, some may be in it and others not.
func (c *Client) Table(ctx context.Context, detail Detail) ([]Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	services, err := c.readServices(ctx, detail)
	if err != nil {
		return nil, err
	}
	table := make([]Entry, len(services))
	for i := range services {
		list, err := c.readDestinations(ctx, services[i].ID, detail)
		if err != nil {
			return nil, err
		}
		table[i] = Entry{services[i], list}
	}
	return table, nil
}

// readServices reads the services. The kernel finds the place where one piece of
// a dump ended by counting through the services of all network namespaces: one
// that is removed meanwhile, in whichever namespace, makes it leave another out,
// and one that is added makes it tell another twice, without a word about it
// (ip_vs_genl_dump_services). So what took several pieces is believed only when
// it is told the same once more.
func (c *Client) readServices(ctx context.Context, detail Detail) ([]Service, error) {
	c.svcs.detail = detail
	for range maxAttempts {
		once := again{}
		err := c.dumpServices(ctx, &c.svcs)
		if err == nil && c.datagrams > few {
			once.list = c.svcs.list
			err = c.dumpServices(ctx, &once)
		}
		if err != nil {
			return nil, fmt.Errorf("ipvs: read services: %w", err)
		}
		if once.same() {
			return c.svcs.sorted(), nil
		}
	}
	return nil, fmt.Errorf("ipvs: read services: %w", errInterrupted)
}

func (c *Client) dumpServices(ctx context.Context, into collector) error {
	c.open(0, flagDump, cmdGetService)
	return c.query(ctx, into)
}

// readDestinations reads the real servers of a service, none when there is no
// such service. The kernel counts here too, but through this service's only.
func (c *Client) readDestinations(ctx context.Context, id ID, detail Detail) ([]Destination, error) {
	err := id.check()
	c.dests.detail, c.dests.family = detail, family(id.Addr)
	for attempt := 0; err == nil; attempt++ {
		c.open(0, flagDump, cmdGetDest)
		c.request = appendService(c.request, &Service{ID: id}, false)
		if err = c.query(ctx, &c.dests); err != nil {
			break
		}
		if list, ok := c.dests.sorted(); ok {
			return list, nil
		}
		if attempt == maxAttempts {
			err = errInterrupted
		}
	}
	return nil, fmt.Errorf("ipvs: read real servers of %v: %w", id, err)
}

// find fails with fs.ErrNotExist when there is no such service.
func (c *Client) find(ctx context.Context, id ID) error {
	c.open(0, 0, cmdGetService)
	c.request = appendService(c.request, &Service{ID: id}, false)
	if err := c.query(ctx, &services{}); err != nil {
		return fmt.Errorf("ipvs: read %v: %w", id, err)
	}
	return nil
}
