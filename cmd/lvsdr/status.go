package main

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func statusCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the virtual services, real servers, connections, rates and VIPs of this host",
		Flags: messageFlags(),
		Description: `Shows what the kernel has, whoever set it up. It changes nothing, and needs root
only where IPVS has services to show.`,
		UsageText: "lvsdr status",
		Action:    s.status,
	}
}

// status is a host as the status command tells it; as JSON it is described in
// docs/output.md.
type status struct {
	Role     string          `json:"role"` // empty when lvsdr set up none here
	VIPs     []vipStatus     `json:"vips"`
	Timeouts *timeoutStatus  `json:"timeouts,omitempty"`
	Services []serviceStatus `json:"services"`
}

type vipStatus struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	Label     string `json:"label,omitempty"`
	text      string
}

// timeoutStatus is in seconds.
type timeoutStatus struct {
	TCP    int `json:"tcp"`
	TCPFin int `json:"tcpFin"`
	UDP    int `json:"udp"`
}

type serviceStatus struct {
	Protocol    string         `json:"protocol,omitempty"`
	VIP         string         `json:"vip,omitempty"`
	Port        uint16         `json:"port"`
	FWMark      uint32         `json:"fwmark,omitempty"`
	Scheduler   string         `json:"scheduler"`
	Persistence int            `json:"persistence"` // seconds
	OnePacket   bool           `json:"onePacket,omitempty"`
	Counters    counters       `json:"counters"`
	Rates       counters       `json:"rates"` // a second
	RealServers []serverStatus `json:"realServers"`
	id          ipvs.ID
}

type serverStatus struct {
	Address    string   `json:"address"`
	Port       uint16   `json:"port"`
	Forwarding string   `json:"forwarding"` // dr, tun, nat, local, bypass
	Weight     int32    `json:"weight"`
	Active     uint32   `json:"active"`
	Inactive   uint32   `json:"inactive"`
	Persistent uint32   `json:"persistent"`
	Counters   counters `json:"counters"`
	Rates      counters `json:"rates"`
	endpoint   netip.AddrPort
}

// counters count what came in through the director; with direct routing the
// replies do not pass it.
type counters struct {
	Connections uint64 `json:"connections"`
	Packets     uint64 `json:"packets"`
	Bytes       uint64 `json:"bytes"`
}

func (s *session) status(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	st, err := look(c.Context, s.sys.host)
	if err != nil {
		return err
	}
	if s.json {
		return s.document(st)
	}
	st.print(s.output)
	return nil
}

func look(ctx context.Context, h *host.Host) (*status, error) {
	roles, err := step.Roles(h)
	if err != nil {
		return nil, err
	}
	st := &status{Role: strings.Join(roles, ","), Services: []serviceStatus{}}
	services, err := h.IPVS.Services(ctx, ipvs.WithStats)
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		one, err := lookAt(ctx, h, service)
		if err != nil {
			return nil, err
		}
		st.Services = append(st.Services, one)
	}
	slices.SortFunc(st.Services, func(a, b serviceStatus) int { return compareIDs(a.id, b.id) })
	if len(services) > 0 {
		t, err := h.IPVS.Timeouts(ctx)
		if err != nil {
			return nil, err
		}
		st.Timeouts = &timeoutStatus{seconds(t.TCP), seconds(t.TCPFin), seconds(t.UDP)}
	}
	st.VIPs, err = lookForVIPs(ctx, h, services)
	return st, err
}

// lookForVIPs finds the addresses that lvsdr set up and those of the services.
func lookForVIPs(ctx context.Context, h *host.Host, services []ipvs.Service) ([]vipStatus, error) {
	ours, err := step.VIPsOf(ctx, h)
	if err != nil {
		return nil, err
	}
	isVIP := map[netip.Addr]bool{}
	for _, a := range ours {
		isVIP[a.Prefix.Addr()] = true
	}
	for _, service := range services {
		isVIP[service.Addr] = service.FWMark == 0
	}
	all, err := h.Links.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	vips := []vipStatus{}
	for _, a := range all {
		if isVIP[a.Prefix.Addr()] {
			vips = append(vips, vipStatus{a.Prefix.String(), a.Link, a.Label, a.String()})
		}
	}
	return vips, nil
}

func lookAt(ctx context.Context, h *host.Host, service ipvs.Service) (serviceStatus, error) {
	st := serviceStatus{
		Port: service.Port, FWMark: service.FWMark, Scheduler: service.Scheduler,
		Persistence: seconds(service.Persistence), OnePacket: service.Flags&ipvs.OnePacket != 0,
		RealServers: []serverStatus{}, id: service.ID,
	}
	st.Counters, st.Rates = count(service.Stats)
	if service.FWMark == 0 {
		st.Protocol, st.VIP = service.Protocol.String(), service.Addr.String()
	}
	servers, err := h.IPVS.Destinations(ctx, service.ID, ipvs.WithStats)
	for _, d := range servers {
		one := serverStatus{
			Address: d.Addr.String(), Port: d.Port, Forwarding: forwarding[d.Forwarding], Weight: d.Weight,
			Active: d.Active, Inactive: d.Inactive, Persistent: d.Persistent,
			endpoint: netip.AddrPortFrom(d.Addr, d.Port),
		}
		one.Counters, one.Rates = count(d.Stats)
		st.RealServers = append(st.RealServers, one)
	}
	slices.SortFunc(st.RealServers, func(a, b serverStatus) int { return a.endpoint.Compare(b.endpoint) })
	return st, err
}

func compareIDs(a, b ipvs.ID) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.FWMark, b.FWMark))
}

func count(s ipvs.Stats) (totals, rates counters) {
	return counters{s.Connections, s.InPackets, s.InBytes},
		counters{s.ConnectionRate, s.InPacketRate, s.InByteRate}
}

var forwarding = map[ipvs.Forwarding]string{
	ipvs.DirectRoute: "dr", ipvs.Tunnel: "tun", ipvs.Masquerade: "nat", ipvs.LocalNode: "local", ipvs.Bypass: "bypass",
}

func seconds(d time.Duration) int { return int(d / time.Second) }
