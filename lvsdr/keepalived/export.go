package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// Host is the director that a configuration is made for.
type Host struct {
	// Address is the one that the cluster lists; not valid where it lists none.
	Address netip.Addr
	// RouterID is the virtual_router_id, 1 to 255, the same on all directors and on the
	// LAN theirs alone.
	RouterID int
	// Interface names the LAN interface of a VIP.
	Interface func(vip netip.Addr) string
	// From is what the comments call the description: "lvsdr.yaml".
	From string
}

// ErrPriorities: two directors have the same one.
var ErrPriorities = errors.New("keepalived's directors need different priorities")

// FromCluster makes the configuration of one of a cluster's directors, by direct routing
// and with keepalived's defaults changed where they hurt: state BACKUP everywhere, so
// that the priority decides; alpha and omega; a delay_loop of seconds; lvs_flush, since
// keepalived wants the table for itself; real servers in ascending order. Each block has
// its origin as a comment. The remarks are what keepalived.conf has no place for.
//
// It fails with an error that wraps a [*cluster.ConfigError] where the cluster cannot be
// keepalived's.
func FromCluster(c cluster.Config, h Host) (Config, []cluster.Remark, error) {
	if err := c.Validate(cluster.DirectorRole); err != nil {
		return Config{}, nil, err
	}
	x := exporter{Config: c, host: h}
	if err := x.refuse(); err != nil {
		return Config{}, nil, err
	}
	instances := x.instances()
	all := append([]Directive{x.globals(instances)}, instances...)
	if len(instances) > 1 && x.Config.VRRP != nil {
		all = slices.Insert(all, 1, together(instances))
	}
	all = append(all, x.virtualServers()...)
	x.leftOver()
	return Config{Directives: all}, x.remarks, nil
}

// Engine makes the configuration of the keepalived that lvsdr runs itself: the services
// and their checks, and nothing else, since lvsdr carries the VIPs and sets the timeouts.
// It has no lvs_flush: the table may have services of others.
//
// IsNew tells which real servers of a service are not in the table yet: those come in when
// they have passed their check (alpha). One that is there counts as healthy until its
// check fails: as a new one it would stay in the table for ever if it is dead, because
// keepalived takes out only what it has put in.
func Engine(c cluster.Config, from string, isNew func(vip netip.Addr, port cluster.Port, rip netip.Addr) bool) Config {
	x := exporter{Config: c, host: Host{From: from}, isNew: isNew}
	return Config{Directives: append([]Directive{x.ownGlobals()}, x.virtualServers()...)}
}

type exporter struct {
	cluster.Config
	host    Host
	remarks []cluster.Remark
	// isNew is for [Engine] alone.
	isNew func(netip.Addr, cluster.Port, netip.Addr) bool
}

// refuse returns what keepalived would not take.
func (x *exporter) refuse() error {
	var errs []error
	wrong := func(path, text, reason string) {
		errs = append(errs, &cluster.ConfigError{Path: path, Text: text, Reason: reason})
	}
	if x.host.RouterID < 1 || x.host.RouterID > 255 {
		errs = append(errs, fmt.Errorf("a virtual_router_id is 1 to 255, and this is %d", x.host.RouterID))
	}
	priorities := map[int]int{}
	for i, p := range x.Priorities() {
		if before, ok := priorities[p]; ok {
			wrong(fmt.Sprintf("directors[%d].priority", i), strconv.Itoa(p),
				fmt.Sprintf("%v: this is that of directors[%d]", ErrPriorities, before))
		}
		priorities[p] = i
	}
	for i, s := range x.Services {
		path := fmt.Sprintf("services[%d]", i)
		if !takes(s) {
			wrong(path+".realServers", "", "all weights are 0, and keepalived wants a quorum of 1 at least: leave the service out meanwhile")
		}
		if x.host.Interface(s.VIP) == "" {
			wrong(path+".interface", "", "keepalived needs the name of the interface that carries "+s.VIP.String())
		}
	}
	return errors.Join(errs...)
}

// takes tells whether a real server of the service takes connections.
func takes(s cluster.Service) bool {
	return slices.ContainsFunc(s.RealServers, func(r cluster.RealServer) bool {
		return !r.Drained && (r.Weight == nil || *r.Weight > 0)
	})
}

// leftOver tells what keepalived.conf has no place for.
func (x *exporter) leftOver() {
	remark := func(object, text string) {
		x.remarks = append(x.remarks, cluster.Remark{Object: object, Text: text})
	}
	if x.Drain != nil {
		remark("drain", "keepalived has no such thing: give a real server weight 0, reload, and take it out when its connections have ended")
	}
	if x.Firewall != "" && x.Firewall != "auto" && x.Firewall != "none" {
		remark("firewall", "keepalived opens no ports: open those of the services, and VRRP (IP protocol 112) between the directors")
	}
	if len(x.Directors) == 0 {
		remark("directors", "none is listed: the priority is 100, and every further director needs another one")
	}
}
