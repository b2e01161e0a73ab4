//go:build linux

package gallery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// Flags of the documentation's cluster.
const Flags = "--vip 10.10.10.22 -r 10.10.10.31 -r 10.10.10.32"

// flags6 are those of the same cluster in IPv6.
const flags6 = "--vip fd00:10::22 -r fd00:10::31 -r fd00:10::32"

// A Cluster is a lab with HTTP servers on the real servers, set up.
type Cluster struct {
	*lab.Lab
	Flags   string // what it was set up with; empty: by hand
	Passive bool   // its doctors put nothing on the wire
	// Show is told what is done to a host, as a command, for people; nil: nobody looks.
	Show func(host, command string)

	mu      sync.Mutex
	servers map[string]io.Closer // the HTTP server of each real server
}

// NewCluster makes a lab and sets it up with these flags, "-": not at all. It
// needs lvsdr on PATH.
func NewCluster(ctx context.Context, flags string, realServers int) (*Cluster, error) {
	if flags == "" {
		flags = Flags
	}
	if realServers == 0 {
		realServers = 2
	}
	l, err := lab.NewWith(ctx, realServers)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Lab: l, servers: map[string]io.Closer{}}
	for _, h := range l.RealServers {
		err = errors.Join(err, c.Serve(h.Name, ":80"))
	}
	if flags == twoDirectors {
		err = errors.Join(err, c.addSecond(ctx))
	}
	if text, ok := files[flags]; ok {
		for _, h := range l.Hosts() {
			err = errors.Join(err, c.Sh(ctx, h.Name, "cat >"+strings.TrimPrefix(flags, "-c ")+" <<'E'\n"+text+"E"))
		}
	}
	if err == nil && flags != "-" {
		c.Flags = flags
		err = c.SetUp(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return c, nil
}

// files are the descriptions of the clusters that have one.
var files = map[string]string{twoServices: twoServicesFile, twoDirectors: twoDirectorsFile}

// flagsOf are the flags of a cluster of so many real servers.
func flagsOf(realServers int) string {
	flags := "--vip " + lab.VIP.String()
	for i := range realServers {
		flags += " -r " + lab.RIP(i).String()
	}
	return flags
}

// atOnce is how many real servers are set up side by side.
const atOnce = 8

// many is the number of real servers from which on they are set up for this boot
// only, which takes half the time.
const many = 20

// SetUp sets every host up, the real servers first. It does not ask for a proof:
// what else the cluster is to have may come after.
func (c *Cluster) SetUp(ctx context.Context) error {
	set := "lvsdr setup realserver -q --passive "
	if len(c.RealServers) >= many {
		set = "lvsdr setup realserver -q --runtime "
	}
	err := each(c.RealServers, func(h *lab.Host) error { return c.Sh(ctx, h.Name, set+c.Flags) })
	if err != nil {
		return err
	}
	err = c.Sh(ctx, c.Director.Name, "lvsdr setup director -q --passive "+c.Flags)
	if err == nil && c.hasSecond() {
		err = c.Sh(ctx, secondDirector, "lvsdr setup director -q --passive "+c.Flags)
	}
	return err
}

// each calls f with every host, a few at a time, and returns the first error.
func each(hosts []*lab.Host, f func(*lab.Host) error) error {
	errs := make([]error, len(hosts))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, h := range hosts {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			errs[i] = f(h)
			<-slots
		}()
	}
	wait.Wait()
	return cmp.Or(errs...)
}

// Host returns a host by its name; it panics when there is none.
func (c *Cluster) Host(name string) *lab.Host {
	for _, h := range c.Hosts() {
		if h.Name == name {
			return h
		}
	}
	panic("gallery: no host " + name)
}

// Sh runs shell commands on a host.
func (c *Cluster) Sh(ctx context.Context, host, commands string) error {
	c.show(host, commands)
	out, err := c.Host(host).Run(ctx, "sh", "-ec", commands)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (c *Cluster) show(host, command string) {
	if c.Show != nil {
		c.Show(host, command)
	}
}

// on is an Inject that runs shell commands on one host.
func on(host, commands string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error { return c.Sh(ctx, host, commands) }
}

// all is an Inject of several.
func all(acts ...func(context.Context, *Cluster) error) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		for _, act := range acts {
			if err := act(ctx, c); err != nil {
				return err
			}
		}
		return nil
	}
}

// Serve has the host's HTTP server listen on this address, ":80" for all of the
// host's, and no longer on another; empty: none runs.
func (c *Cluster) Serve(host, addr string) error {
	if addr == "" {
		c.show(host, "the HTTP server stops")
	} else {
		c.show(host, "the HTTP server gets the configuration: Listen "+addr)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.servers[host]; s != nil {
		s.Close()
		delete(c.servers, host)
	}
	if addr == "" {
		return nil
	}
	s, err := c.Host(host).ServeHTTP(addr)
	if err == nil {
		c.servers[host] = s
	}
	return err
}

// serving is an Inject that has the host's HTTP server listen there.
func serving(host, addr string) func(context.Context, *Cluster) error {
	return func(_ context.Context, c *Cluster) error { return c.Serve(host, addr) }
}

// Role is what the host is in the cluster, as the doctor's argument.
func (c *Cluster) Role(host string) string {
	switch host {
	case c.Client.Name:
		return cluster.ClientRole
	case c.Director.Name, secondDirector:
		return cluster.DirectorRole
	}
	return cluster.RealServerRole
}
