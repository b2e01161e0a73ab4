//go:build linux

package gallery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

const vipHTTP = "10.10.10.22:80"

// knock begins so many connections from the client to the VIP, side by side, gives
// them a little time and ends them. Whether they are answered does not matter.
func (c *Cluster) knock(ctx context.Context, n int) {
	var all sync.WaitGroup
	for range n {
		all.Add(1)
		go func() {
			defer all.Done()
			ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			defer cancel()
			if conn, err := c.Client.Dial(ctx, "tcp", vipHTTP); err == nil {
				conn.Close()
			}
		}()
	}
	all.Wait()
}

// visits has clients connect to the VIP all the time, one to each real server every
// quarter of a second, until [gone]: however long a busy machine takes to ask, the
// doctors see them. They come from an address of the client's host, empty: its own.
func visits(from string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		c.show(c.Client.Name, "clients connect to "+vipHTTP+" all the time")
		dialer := &net.Dialer{Timeout: 500 * time.Millisecond}
		if from != "" {
			dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		ctx, end := context.WithCancel(context.WithoutCancel(ctx))
		v := &visitors{end: end}
		v.here.Add(1)
		go func() {
			defer v.here.Done()
			c.visit(ctx, dialer)
		}()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.servers["visitors"] = v
		return nil
	}
}

// visitors are closed when they are to stay away.
type visitors struct {
	end  context.CancelFunc
	here sync.WaitGroup
}

func (v *visitors) Close() error {
	v.end()
	v.here.Wait()
	return nil
}

func (c *Cluster) visit(ctx context.Context, dialer *net.Dialer) {
	var all sync.WaitGroup
	defer all.Wait()
	for ctx.Err() == nil {
		for range c.RealServers {
			all.Add(1)
			go func() {
				defer all.Done()
				c.Client.Do(func() error { // whether they are answered does not matter
					conn, err := dialer.DialContext(ctx, "tcp", vipHTTP)
					if err == nil {
						conn.Close()
					}
					return err
				})
			}()
		}
		time.Sleep(400 * time.Millisecond)
	}
}

// gone ends [visits] and waits until none of them has waited of late.
func gone(ctx context.Context, c *Cluster) error {
	c.noVisits()
	return forgotten(ctx, c)
}

func (c *Cluster) noVisits() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.servers["visitors"]; v != nil {
		v.Close()
		delete(c.servers, "visitors")
	}
}

// Close ends what runs in the cluster and removes it.
func (c *Cluster) Close() error {
	c.noVisits()
	return c.Lab.Close()
}

// unserved is the last act of an Inject that breaks the client's service. It
// leaves no connection that goes on trying, as an HTTP request does.
func unserved(ctx context.Context, c *Cluster) error {
	for range 2 * len(c.RealServers) {
		soon, cancel := context.WithTimeout(ctx, lab.GetTimeout)
		conn, err := c.Client.Dial(soon, "tcp", vipHTTP)
		cancel()
		if err != nil {
			return nil
		}
		conn.Close()
	}
	return errors.New("the client is served in spite of it")
}

// connections are those of the director's IPVS table.
func (c *Cluster) connections(ctx context.Context) ([]ipvs.Connection, error) {
	return c.Director.LVS().Observer.Connections(ctx)
}

// await polls the director's connections until ok.
func (c *Cluster) await(ctx context.Context, ok func([]ipvs.Connection) bool) error {
	for {
		all, err := c.connections(ctx)
		if err != nil || ok(all) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the connections do not become what they should: %w: %v", ctx.Err(), all)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// keepTo opens connections from the client to the VIP until one is with the real
// server, and keeps that one open.
func (c *Cluster) keepTo(ctx context.Context, server string) (kept net.Conn, err error) {
	rip := netip.MustParseAddr(server)
	for range 8 {
		conn, err := c.Client.Dial(ctx, "tcp", vipHTTP)
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(conn.LocalAddr().String())
		if err != nil {
			return nil, err
		}
		all, err := c.connections(ctx)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(x ipvs.Connection) bool { return x.Client == from && x.Server.Addr() == rip }) {
			return conn, nil
		}
		conn.Close()
	}
	return nil, errors.New("no connection to " + server)
}
