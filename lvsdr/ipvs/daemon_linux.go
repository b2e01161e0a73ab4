package ipvs

import (
	"context"
	"fmt"
)

// Daemons returns the connection synchronisation daemons that run, the master first.
func (c *Client) Daemons(ctx context.Context) ([]Daemon, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list daemons
	c.open(0, flagDump, cmdGetDaemon)
	if err := c.query(ctx, &list); err != nil {
		return nil, fmt.Errorf("ipvs: read daemons: %w", err)
	}
	return list, nil
}

// StartDaemon starts a daemon. It fails with [fs.ErrExist] when one of that state runs
// already, be it with other settings: stop that one first. Both daemons of a namespace
// should have the same settings: the kernel does not hold them to it.
func (c *Client) StartDaemon(ctx context.Context, d Daemon) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := d.check()
	if err == nil {
		c.open(0, flagAck, cmdNewDaemon)
		c.request = appendDaemon(c.request, d)
		err = c.query(ctx, &words{})
	}
	if err != nil {
		return fmt.Errorf("ipvs: start daemon %v: %w", d, err)
	}
	return nil
}

// StopDaemon stops the daemon of a state, whoever started it. It fails with
// [fs.ErrNotExist] when none runs.
func (c *Client) StopDaemon(ctx context.Context, state DaemonState) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open(0, flagAck, cmdDelDaemon)
	c.request = appendUint32(openNest(c.request, attrDaemon), daemonState, uint32(state))
	closeNest(c.request, headerLen+genlHeaderLen)
	if err := c.query(ctx, &words{}); err != nil {
		return fmt.Errorf("ipvs: stop daemon %v: %w", state, err)
	}
	return nil
}
