//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// basic is the cluster before all changes: the VIP with so many real servers.
func basic(servers int) cluster.Config {
	s := cluster.Service{VIP: lab.VIP}
	for i := range servers {
		one := 1
		s.RealServers = append(s.RealServers, cluster.RealServer{Address: lab.RIP(i), Weight: &one})
	}
	return cluster.Config{Services: []cluster.Service{s}}
}

// ours brings the hosts to a description by lvsdr.
type ours struct {
	engine string
	vips   int // so many are there
}

// begin sets up hosts whose firewalls let in what lvsdr opens, and answers.
func (o *ours) begin(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	for _, h := range append([]*lab.Host{l.Director}, l.RealServers...) {
		out, err := h.Run(ctx, "nft", "add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; }; "+
			"add rule inet filter input tcp sport 80 accept; add rule inet filter input ip saddr 10.10.10.30 accept")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return o.change(ctx, l, c)
}

// change has the real servers carry a new VIP before the director sends for it, and give
// one up after it.
func (o *ours) change(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	c = o.kept(c)
	fewer := len(c.VIPs()) < o.vips
	o.vips = len(c.VIPs())
	if fewer {
		if err := setUpDirector(ctx, l, c); err != nil {
			return err
		}
	}
	return setUpHosts(ctx, l, c)
}

// kept is the cluster kept by the engine, which looks at its real servers every second.
func (o *ours) kept(c cluster.Config) cluster.Config {
	retries, second := 1, cluster.Duration(time.Second)
	c.Engine = o.engine
	if c.Engine == cluster.EngineKeepalived {
		c.Services = slices.Clone(c.Services)
		for i := range c.Services {
			c.Services[i].Check = &cluster.Check{Interval: second, Timeout: 2 * second, Retries: &retries}
		}
	}
	return c
}

func (o *ours) end() {}

// setUpHosts sets up all hosts, the real servers first.
func setUpHosts(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	if err := setUpServers(ctx, l, c); err != nil {
		return err
	}
	return setUpDirector(ctx, l, c)
}

func setUpServers(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	role, err := lvsdr.RealServer(c)
	if err != nil {
		return err
	}
	for _, h := range l.RealServers {
		if _, err := role.Apply(ctx, h.LVS(), step.Present); err != nil {
			return err
		}
	}
	return nil
}

func setUpDirector(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	role, err := lvsdr.Director(c)
	if err != nil {
		return err
	}
	_, err = role.Apply(ctx, l.Director.LVS(), step.Present)
	return err
}

// theirs brings the director's table to a description without lvsdr, which has the real
// servers and the VIP ready: no firewall is in the way, and no sysctl is other than the
// kernel has it.
type theirs struct {
	how        func(*theirs, context.Context, *lab.Lab, cluster.Config) error
	keepalived *exec.Cmd
}

func (o *theirs) begin(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	if out, err := l.Director.Run(ctx, "modprobe", "-a", "ip_vs", "ip_vs_wrr", "ip_vs_lc", "ip_vs_sh", "ip_vs_mh"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := setUpServers(ctx, l, c); err != nil {
		return err
	}
	vip := lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{step.DirectorVIPs(c)}}
	if _, err := vip.Apply(ctx, l.Director.LVS(), step.Present); err != nil {
		return err
	}
	return o.change(ctx, l, c)
}

func (o *theirs) change(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	if err := o.how(o, ctx, l, c); err != nil {
		return err
	}
	return tableIs(ctx, l.Director, c)
}

func (o *theirs) end() {
	if o.keepalived != nil {
		o.keepalived.Process.Kill()
		o.keepalived.Wait()
	}
}

// restore is "ipvsadm -C; ipvsadm -R".
func (o *theirs) restore(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	var rules strings.Builder
	line := func(command ipvs.Command) {
		rules.WriteString(strings.TrimPrefix(command.Ipvsadm(), "ipvsadm ") + "\n")
	}
	for _, e := range c.VirtualServices() {
		line(ipvs.Command{Op: ipvs.AddService, Service: &e.Service})
		for _, d := range e.Destinations {
			line(ipvs.Command{Op: ipvs.AddDestination, Service: &e.Service, Destination: &d})
		}
	}
	if err := l.Director.Do(func() error { return writeFile("/run/rules", rules.String()) }); err != nil {
		return err
	}
	out, err := l.Director.Run(ctx, "sh", "-c", "ipvsadm -C; ipvsadm -R < /run/rules")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

const keepalivedConf = "/run/keepalived.conf"

func (o *theirs) describe(l *lab.Lab, c cluster.Config) error {
	text := keepalived.Engine(c, "bench", func(netip.Addr, cluster.Port, netip.Addr) bool { return false }).Render()
	return l.Director.Do(func() error { return writeFile(keepalivedConf, string(text)) })
}

// reload has a running keepalived read its configuration anew.
func (o *theirs) reload(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	if o.keepalived == nil {
		return o.restart(ctx, l, c)
	}
	if err := o.describe(l, c); err != nil {
		return err
	}
	return o.keepalived.Process.Signal(syscall.SIGHUP)
}

// restart ends keepalived, as "systemctl restart" does, and starts it.
func (o *theirs) restart(ctx context.Context, l *lab.Lab, c cluster.Config) error {
	if o.keepalived != nil {
		if err := o.keepalived.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		_ = o.keepalived.Wait() // its status tells of the signal
	}
	if err := o.describe(l, c); err != nil {
		return err
	}
	o.keepalived = exec.CommandContext(ctx, "keepalived", "--dont-fork", "--check", "--use-file", keepalivedConf)
	return l.Director.Start(o.keepalived)
}

// errNotMade: a tool has not brought the table to the description.
var errNotMade = errors.New("the change was not made")

// tableIs waits until the table has the services and real servers of the description.
func tableIs(ctx context.Context, h *lab.Host, c cluster.Config) error {
	return h.Do(func() error {
		client, err := ipvs.Open()
		if err != nil {
			return err
		}
		defer client.Close()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			table, err := client.Table(ctx, ipvs.Plain)
			if err != nil {
				return err
			}
			if got, want := outline(table), outline(c.VirtualServices()); got == want {
				return nil
			} else if time.Now().After(deadline) {
				return fmt.Errorf("%w: the table is %q, not %q", errNotMade, got, want)
			}
		}
	})
}

// outline tells tables apart by what the changes change.
func outline(table []ipvs.Entry) string {
	var lines []string
	for _, e := range table {
		var servers []string
		for _, d := range e.Destinations {
			servers = append(servers, fmt.Sprintf("%v %d", d.Addr, d.Weight))
		}
		slices.Sort(servers)
		lines = append(lines, fmt.Sprintf("%v %s %v %v", e.ID, e.Scheduler, e.Persistence, servers))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}
