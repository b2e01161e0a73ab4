package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// usualRouterID is that of keepalived's samples.
const usualRouterID = 51

func exportCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "print the cluster in the words of ipvsadm or keepalived",
		ArgsUsage: "ipvsadm|keepalived",
		Flags: slices.Concat(serviceFlags(), []cli.Flag{
			&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Category: clusterFlags,
				Usage: "`FILE` the cluster as YAML instead of the flags above (default: " + defaultConfig + " when it exists and none of them is given)"},
			&cli.StringFlag{Name: "interface", Aliases: []string{"i"}, Category: hostFlags,
				Usage: "`NAME` keepalived: the LAN interface that carries the VIP (default: the file's, or this host's whose subnet holds the VIP)"},
			&cli.StringFlag{Name: "director", Category: hostFlags,
				Usage: "`ADDR` keepalived: which of the file's directors it is for (default: the one whose address this host has)"},
			&cli.StringFlag{Name: "router-id", Category: hostFlags,
				Usage: "`NUMBER` keepalived: the virtual_router_id, 1 to 255, no other router's on the LAN (default: that of the file's vrrp, or 51)"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: outputFlags,
				Usage: "do not tell what has no place there"},
		}),
		UsageText: `lvsdr export keepalived -c lvsdr.yaml --director 10.10.10.30 >keepalived.conf
lvsdr export ipvsadm --vip 10.10.10.22 -r 10.10.10.31 -r 10.10.10.32 | ipvsadm -R`,
		Description: `ipvsadm: what "ipvsadm -S -n" writes on the director, with the thresholds that it leaves
out. keepalived: the keepalived.conf of one director; with it keepalived sets the VIP, the
table and the health checks on that host, and lvsdr setup director is not for it. The real
servers are set up as ever. Nothing is changed.`,
		Action: s.export,
	}
}

func (s *session) export(ctx context.Context, c *cli.Command) error {
	form := c.Args().First()
	if c.NArg() != 1 || form != "ipvsadm" && form != "keepalived" {
		return usage("say in whose words: lvsdr export ipvsadm or lvsdr export keepalived")
	}
	src, err := s.readSource(c)
	if err != nil {
		return err
	}
	if err := src.tell(src.Validate(cluster.DirectorRole)); err != nil {
		return err
	}
	if bits := src.Config.Tuning.ConnTabBits; bits > 0 {
		s.note("the rows of the connection table are no part of it: echo options ip_vs conn_tab_bits=%d > /etc/modprobe.d/ip_vs-conn-table.conf", bits)
	}
	if form == "ipvsadm" {
		s.exportIpvsadm(src.Config)
		return nil
	}
	return s.exportKeepalived(ctx, c, &src)
}

func (s *session) exportIpvsadm(c cluster.Config) {
	line := func(command ipvs.Command) { s.printf("%s", strings.TrimPrefix(command.Ipvsadm(), "ipvsadm ")) }
	for _, e := range c.VirtualServices() {
		line(ipvs.Command{Op: ipvs.AddService, Service: &e.Service})
		for _, d := range e.Destinations {
			line(ipvs.Command{Op: ipvs.AddDestination, Service: &e.Service, Destination: &d})
		}
	}
	if c.Timeouts != (cluster.Timeouts{}) {
		seconds := func(d cluster.Duration) string { return strconv.Itoa(int(time.Duration(d) / time.Second)) }
		s.note("the timeouts are no part of a saved table: ipvsadm --set %s %s %s",
			seconds(c.Timeouts.TCP), seconds(c.Timeouts.TCPFin), seconds(c.Timeouts.UDP))
	}
	for _, d := range c.SyncDaemons() {
		s.note("the synchronisation daemons are no part of a saved table: %s", d.Ipvsadm())
	}
	if c.VRRP != nil {
		s.note("vrrp is no part of it: ipvsadm moves no VIP from one director to another")
	}
}

// routerID is the one given, else that of the file.
func routerID(c *cli.Command, src *source) (int, error) {
	if !c.IsSet("router-id") {
		if src.VRRP != nil {
			return *src.VRRP.Full().RouterID, nil
		}
		return usualRouterID, nil
	}
	return parseOne(c, "router-id", func(text string) (int, error) {
		id, err := strconv.ParseUint(text, 0, 8)
		if err != nil || id == 0 {
			return 0, errors.New("a virtual_router_id is 1 to 255")
		}
		return int(id), nil
	})
}

func (s *session) exportKeepalived(ctx context.Context, c *cli.Command, src *source) error {
	address, err := s.whichDirector(ctx, c, src)
	if err != nil {
		return err
	}
	id, err := routerID(c, src)
	if err != nil {
		return err
	}
	from := src.name
	if src.file == "" {
		from = "the command line"
	}
	conf, remarks, err := keepalived.FromCluster(src.Config, keepalived.Host{
		Address: address, RouterID: id, From: from,
		Interface: func(vip netip.Addr) string { return s.interfaceOf(ctx, src, vip) },
	})
	if err != nil {
		return src.tell(err)
	}
	s.printf("%s", strings.TrimSuffix(string(conf.Render()), "\n"))
	for _, r := range remarks {
		s.note("%v", r)
	}
	return nil
}

// whichDirector is the one that the configuration is for, of those that are listed.
func (s *session) whichDirector(ctx context.Context, c *cli.Command, src *source) (netip.Addr, error) {
	if text := c.String("director"); c.IsSet("director") {
		a, err := cluster.ParseAddress(text)
		if err != nil {
			return a, usage("--director: %w", err)
		}
		if !slices.ContainsFunc(src.Directors, func(d cluster.Director) bool { return d.Address == a }) {
			return a, usage("--director %s: %s does not list it under directors", a, src.where())
		}
		return a, nil
	}
	if len(src.Directors) == 0 {
		return netip.Addr{}, nil
	}
	own, err := s.sys.host().Links.Addresses(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, d := range src.Directors {
		for _, a := range own {
			if a.Prefix.Addr() == d.Address {
				return d.Address, nil
			}
		}
	}
	return netip.Addr{}, &usageError{
		text: "none of the directors in " + src.where() + " is this host: say for which one it is",
		hint: "--director " + src.Directors[0].Address.String(),
	}
}

// interfaceOf is the LAN interface of a VIP: the one that is named, else the one of this
// host whose subnet holds it.
func (s *session) interfaceOf(ctx context.Context, src *source, vip netip.Addr) string {
	if name := src.InterfaceOf(vip); name != "" {
		return name
	}
	all, err := s.sys.host().Links.Addresses(ctx)
	if err != nil {
		return ""
	}
	for _, a := range all {
		if a.Prefix.Contains(vip) && a.Prefix.Addr() != vip && !a.Prefix.Addr().IsLoopback() {
			return a.Link
		}
	}
	return ""
}
