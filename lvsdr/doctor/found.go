package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Found is the cluster as far as a host itself shows it, for [Role.Doctor] where
// nobody has its description: on a director the services of its IPVS table that
// forward by direct routing, whoever made them; on a real server the VIPs and ports
// that lvsdr brought there. It fails with fs.ErrNotExist when the host shows none.
func Found(ctx context.Context, h *host.Host, role string) (cluster.Config, error) {
	find := foundTable
	if role == cluster.RealServerRole {
		find = foundOpenings
	}
	c, err := find(ctx, h)
	if err == nil && len(c.Services) == 0 {
		err = fmt.Errorf("lvsdr: a cluster on this host: %w", fs.ErrNotExist)
	}
	return c, err
}

// foundTable makes a service of each one in the table, and one of those that are
// alike but for their port. Those by firewall mark have no VIP to look at.
func foundTable(ctx context.Context, h *host.Host) (cluster.Config, error) {
	table, err := readTable(ctx, h.IPVS)
	if err != nil {
		return cluster.Config{}, err
	}
	var c cluster.Config
	for _, v := range table {
		s, ok := foundService(v)
		if !ok {
			continue
		}
		same := slices.IndexFunc(c.Services, func(x cluster.Service) bool { return alike(x, s) })
		if same < 0 {
			c.Services = append(c.Services, s)
			continue
		}
		c.Services[same].Ports = append(c.Services[same].Ports, s.Ports...)
	}
	t, err := h.IPVS.Timeouts(ctx)
	c.Timeouts = cluster.Timeouts{TCP: cluster.Duration(t.TCP), TCPFin: cluster.Duration(t.TCPFin), UDP: cluster.Duration(t.UDP)}
	return c, err
}

// foundService is not ok when it is not one of direct routing.
func foundService(v ipvs.Entry) (s cluster.Service, ok bool) {
	if v.FWMark != 0 {
		return s, false
	}
	s = cluster.Service{
		VIP: v.Addr, Ports: []cluster.Port{{Number: v.Port, Protocol: v.Protocol}}, Scheduler: v.Scheduler,
		SchedulerFlags: v.Flags.Of(v.Scheduler), OnePacket: v.Flags&ipvs.OnePacket != 0,
	}
	if v.Flags&ipvs.Persistent != 0 {
		s.Persistence = cluster.Duration(v.Persistence.Truncate(time.Second))
		if v.Netmask != v.Addr.BitLen() {
			s.PersistenceNetmask = v.Netmask
		}
	}
	for _, d := range v.Destinations {
		known := slices.ContainsFunc(s.RealServers, func(r cluster.RealServer) bool { return r.Address == d.Addr })
		if d.Forwarding != ipvs.DirectRoute || known {
			continue
		}
		weight := int(d.Weight)
		s.RealServers = append(s.RealServers, cluster.RealServer{
			Address: d.Addr, Weight: &weight, UpperThreshold: d.UpperThreshold, LowerThreshold: d.LowerThreshold,
		})
	}
	slices.SortFunc(s.RealServers, func(a, b cluster.RealServer) int { return a.Address.Compare(b.Address) })
	return s, len(s.RealServers) > 0 || len(v.Destinations) == 0
}

// alike tells whether two services differ in nothing but their ports.
func alike(s, other cluster.Service) bool {
	return s.VIP == other.VIP && s.Scheduler == other.Scheduler && slices.Equal(s.SchedulerFlags, other.SchedulerFlags) &&
		s.OnePacket == other.OnePacket && s.Persistence == other.Persistence && s.PersistenceNetmask == other.PersistenceNetmask &&
		slices.EqualFunc(s.RealServers, other.RealServers, func(a, b cluster.RealServer) bool {
			return a.Address == b.Address && *a.Weight == *b.Weight &&
				a.UpperThreshold == b.UpperThreshold && a.LowerThreshold == b.LowerThreshold
		})
}

// foundOpenings makes a service of each VIP that lvsdr brought here, with the ports
// that it opened; where it had none to open, port 80.
func foundOpenings(ctx context.Context, h *host.Host) (cluster.Config, error) {
	addresses, err := step.VIPsOf(ctx, h)
	if err != nil {
		return cluster.Config{}, err
	}
	ports := map[netip.Addr][]cluster.Port{}
	for _, f := range h.Firewalls {
		gates, err := f.Gates(ctx)
		if err != nil {
			return cluster.Config{}, err
		}
		for _, g := range gates {
			for _, o := range g.Openings {
				if p := (cluster.Port{Number: o.Port, Protocol: o.Protocol}); !o.IsTooBig() && !slices.Contains(ports[o.VIP], p) {
					ports[o.VIP] = append(ports[o.VIP], p)
				}
			}
		}
	}
	var c cluster.Config
	for _, a := range addresses {
		vip := a.Prefix.Addr()
		if !slices.ContainsFunc(c.Services, func(s cluster.Service) bool { return s.VIP == vip }) {
			c.Services = append(c.Services, cluster.Service{VIP: vip, Ports: ports[vip]})
		}
	}
	return c, nil
}
