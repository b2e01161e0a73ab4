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
		c.stay(v)
		return nil
	}
}

func (c *Cluster) stay(v *visitors) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers["visitors"] = v
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

// tryOn has a client try to connect to each real server until [Cluster.noVisits], as
// one does that has no answer.
func tryOn(ctx context.Context, c *Cluster) error {
	c.show(c.Client.Name, "two clients connect to "+vipHTTP+", and go on trying")
	trying, end := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	v := &visitors{end: end}
	for range c.RealServers {
		v.here.Add(1)
		go func() {
			defer v.here.Done()
			if conn, err := c.Client.Dial(trying, "tcp", vipHTTP); err == nil {
				conn.Close()
			}
		}()
	}
	c.stay(v)
	return c.await(ctx, func(all []ipvs.Connection) bool { return lastSYN(all) > 0 })
}

// triesAgain waits for a further packet of a connection that waits, which masquerading
// began, and demands that new connections then are not answered.
func triesAgain(ctx context.Context, c *Cluster) error {
	all, err := c.connections(ctx)
	if err != nil {
		return err
	}
	before := lastSYN(all)
	if err := c.await(ctx, func(all []ipvs.Connection) bool {
		now := lastSYN(all)
		more := now > before
		before = now
		return more
	}); err != nil {
		return err
	}
	return unserved(ctx, c)
}

// lastSYN is the longest that a connection in SYN_RECV still has: a packet renews it.
func lastSYN(all []ipvs.Connection) (longest time.Duration) {
	for _, c := range all {
		if c.State == "SYN_RECV" {
			longest = max(longest, c.Expires)
		}
	}
	return longest
}

// flushUntilServed has the director's kernel forget its routes as long as clients wait.
func flushUntilServed(ctx context.Context, c *Cluster) error {
	c.noVisits()
	for c.Serves(ctx) != nil {
		if err := c.Sh(ctx, "dev-1", "ip route flush cache; ip neigh flush to 10.10.10.22 dev eth0"); err != nil {
			return err
		}
	}
	return nil
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
