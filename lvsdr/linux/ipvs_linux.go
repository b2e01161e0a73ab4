package linux

import (
	"context"
	"errors"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// kernelIPVS is the running kernel's IPVS, of the network namespace of the thread
// that uses it first. The module need not be loaded yet: it is looked for at each
// call until it is there, and never loaded by looking.
type kernelIPVS struct {
	mu     sync.Mutex
	client *ipvs.Client
}

// open opens the socket where it is not yet.
func (k *kernelIPVS) open() (*ipvs.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		client, err := ipvs.Dial()
		if err != nil {
			return nil, err
		}
		k.client = client
	}
	return k.client, nil
}

// readIPVS is what reading has in common: a kernel without IPVS has nothing in
// its table.
func readIPVS[T any](k *kernelIPVS, read func(*ipvs.Client) (T, error)) (T, error) {
	var none T
	client, err := k.open()
	if err != nil {
		return none, err
	}
	found, err := read(client)
	if errors.Is(err, ipvs.ErrNoIPVS) {
		return none, nil
	}
	return found, err
}

func (k *kernelIPVS) Services(ctx context.Context, detail ipvs.Detail) ([]ipvs.Service, error) {
	return readIPVS(k, func(c *ipvs.Client) ([]ipvs.Service, error) {
		return c.Services(ctx, detail)
	})
}

func (k *kernelIPVS) Destinations(ctx context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	return readIPVS(k, func(c *ipvs.Client) ([]ipvs.Destination, error) {
		return c.Destinations(ctx, id, detail)
	})
}

func (k *kernelIPVS) Timeouts(ctx context.Context) (ipvs.Timeouts, error) {
	return readIPVS(k, func(c *ipvs.Client) (ipvs.Timeouts, error) {
		return c.Timeouts(ctx)
	})
}

func (k *kernelIPVS) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	client, err := k.open()
	if err != nil {
		return 0, err
	}
	return client.Apply(ctx, commands)
}

func (k *kernelIPVS) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	client, err := k.open()
	if err != nil {
		return err
	}
	return client.SetTimeouts(ctx, t)
}

func (k *kernelIPVS) Daemons(ctx context.Context) ([]ipvs.Daemon, error) {
	return readIPVS(k, func(c *ipvs.Client) ([]ipvs.Daemon, error) { return c.Daemons(ctx) })
}

func (k *kernelIPVS) StartDaemon(ctx context.Context, d ipvs.Daemon) error {
	client, err := k.open()
	if err != nil {
		return err
	}
	return client.StartDaemon(ctx, d)
}

func (k *kernelIPVS) StopDaemon(ctx context.Context, state ipvs.DaemonState) error {
	client, err := k.open()
	if err != nil {
		return err
	}
	return client.StopDaemon(ctx, state)
}
