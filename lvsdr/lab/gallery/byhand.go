//go:build linux

package gallery

import "context"

// byHand sets the documentation's cluster up with ip, sysctl and ipvsadm, as a
// person would, with these lines of ipvsadm for the table.
func byHand(ctx context.Context, c *Cluster, table string) error {
	for _, h := range c.RealServers {
		err := c.Sh(ctx, h.Name, `printf 'net.ipv4.conf.all.arp_ignore=1\nnet.ipv4.conf.all.arp_announce=2\n' >/etc/sysctl.d/lvs.conf
sysctl -qp /etc/sysctl.d/lvs.conf
ip addr add 10.10.10.22/32 dev lo`)
		if err != nil {
			return err
		}
	}
	return c.Sh(ctx, c.Director.Name, `modprobe -aq ip_vs ip_vs_wrr ip_vs_sh
sysctl -qw net.ipv4.conf.all.arp_announce=2
`+table+`
ip addr add 10.10.10.22/32 dev eth0`)
}

// handMade is an Inject or Make of it.
func handMade(table string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error { return byHand(ctx, c, table) }
}
