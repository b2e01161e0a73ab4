package lvsdr

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Found is the cluster as far as a host itself shows it, for [Role.Doctor] where
// nobody has its description: on a director the services of its IPVS table that
// forward by direct routing, whoever made them; on a real server the VIPs and ports
// that lvsdr brought there. It fails with fs.ErrNotExist when the host shows none.
func (h *Host) Found(ctx context.Context, role string) (Config, error) {
	find := h.foundTable
	if role == RealServerRole {
		find = h.foundOpenings
	}
	c, err := find(ctx)
	if err == nil && len(c.Services) == 0 {
		err = fmt.Errorf("lvsdr: a cluster on this host: %w", fs.ErrNotExist)
	}
	return c, err
}

// Examined is the role of that name for [Role.Doctor] alone, on a configuration as
// [Host.Found] returns it: one that set-up might refuse.
func Examined(name string, c Config) (Role, error) {
	if name == ClientRole {
		return Role{Name: name, Checks: clientChecks, config: c}, nil
	}
	return Former(name, c)
}

// foundTable makes a service of each one in the table, and one of those that are
// alike but for their port. Those by firewall mark have no VIP to look at.
func (h *Host) foundTable(ctx context.Context) (Config, error) {
	table, err := readTable(ctx, h.IPVS)
	if err != nil {
		return Config{}, err
	}
	var c Config
	for _, v := range table {
		s, ok := foundService(v)
		if !ok {
			continue
		}
		same := slices.IndexFunc(c.Services, func(x Service) bool { return x.alike(s) })
		if same < 0 {
			c.Services = append(c.Services, s)
			continue
		}
		c.Services[same].Ports = append(c.Services[same].Ports, s.Ports...)
	}
	t, err := h.IPVS.Timeouts(ctx)
	c.Timeouts = Timeouts{TCP: Duration(t.TCP), TCPFin: Duration(t.TCPFin), UDP: Duration(t.UDP)}
	return c, err
}

// foundService is not ok when it is not one of direct routing.
func foundService(v virtualService) (s Service, ok bool) {
	if v.FWMark != 0 {
		return s, false
	}
	s = Service{
		VIP: v.Addr, Ports: []Port{{v.Port, v.Protocol}}, Scheduler: v.Scheduler,
		SchedulerFlags: v.Flags.Of(v.Scheduler), OnePacket: v.Flags&ipvs.OnePacket != 0,
	}
	if v.Flags&ipvs.Persistent != 0 {
		s.Persistence = Duration(v.Persistence.Truncate(time.Second))
		if v.Netmask != v.Addr.BitLen() {
			s.PersistenceNetmask = v.Netmask
		}
	}
	for _, d := range v.Destinations {
		known := slices.ContainsFunc(s.RealServers, func(r Server) bool { return r.Address == d.Addr })
		if d.Forwarding != ipvs.DirectRoute || known {
			continue
		}
		weight := int(d.Weight)
		s.RealServers = append(s.RealServers, Server{
			Address: d.Addr, Weight: &weight, UpperThreshold: d.UpperThreshold, LowerThreshold: d.LowerThreshold,
		})
	}
	slices.SortFunc(s.RealServers, func(a, b Server) int { return a.Address.Compare(b.Address) })
	return s, len(s.RealServers) > 0 || len(v.Destinations) == 0
}

// alike tells whether two services differ in nothing but their ports.
func (s Service) alike(other Service) bool {
	return s.VIP == other.VIP && s.Scheduler == other.Scheduler && slices.Equal(s.SchedulerFlags, other.SchedulerFlags) &&
		s.OnePacket == other.OnePacket && s.Persistence == other.Persistence && s.PersistenceNetmask == other.PersistenceNetmask &&
		slices.EqualFunc(s.RealServers, other.RealServers, func(a, b Server) bool {
			return a.Address == b.Address && *a.Weight == *b.Weight &&
				a.UpperThreshold == b.UpperThreshold && a.LowerThreshold == b.LowerThreshold
		})
}

// foundOpenings makes a service of each VIP that lvsdr brought here, with the ports
// that it opened; where it had none to open, port 80.
func (h *Host) foundOpenings(ctx context.Context) (Config, error) {
	addresses, err := h.VIPs(ctx)
	if err != nil {
		return Config{}, err
	}
	ports := map[netip.Addr][]Port{}
	for _, f := range h.Firewalls {
		gates, err := f.Gates(ctx)
		if err != nil {
			return Config{}, err
		}
		for _, g := range gates {
			for _, o := range g.Openings {
				if p := (Port{o.Port, o.Protocol}); !slices.Contains(ports[o.VIP], p) {
					ports[o.VIP] = append(ports[o.VIP], p)
				}
			}
		}
	}
	var c Config
	for _, a := range addresses {
		vip := a.Prefix.Addr()
		if !slices.ContainsFunc(c.Services, func(s Service) bool { return s.VIP == vip }) {
			c.Services = append(c.Services, Service{VIP: vip, Ports: ports[vip]})
		}
	}
	return c, nil
}
