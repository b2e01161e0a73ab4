// Package status tells what a director is doing, as data: its virtual services, real
// servers, connections and rates, and the VIPs of the host. It looks at the kernel and
// at what lvsdr left there; it judges nothing, which is the doctor's business.
package status

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Status is one look at a host. As JSON it is what "lvsdr status" prints, described in
// docs/output.md.
type Status struct {
	Time     *time.Time `json:"time,omitempty"`   // of a look of [Watch]
	Role     string     `json:"role"`             // empty when lvsdr set up none here
	Engine   *Engine    `json:"engine,omitempty"` // who looks after the real servers, where lvsdr set somebody up to
	Sync     []Daemon   `json:"sync,omitempty"`   // the kernel's connection synchronisation daemons, whoever started them
	VRRP     string     `json:"vrrp,omitempty"`   // master, backup, partly or stopped, where VRRP moves the VIPs
	VIPs     []VIP      `json:"vips"`
	Timeouts *Timeouts  `json:"timeouts,omitempty"`
	Services []Service  `json:"services"`
	// Tuning is what [Tuning] notes, nil where it was not asked.
	Tuning []Note `json:"tuning,omitzero"`
}

// An Engine is a program that looks after the real servers.
type Engine struct {
	Name    string `json:"name"` // "keepalived", lvsdr's own
	Running bool   `json:"running"`
}

// A Daemon is one of connection synchronisation.
type Daemon struct {
	State     string `json:"state"` // master, which tells other directors, or backup, which keeps what it is told
	Interface string `json:"interface"`
	ID        uint8  `json:"id"`
	Group     string `json:"group"`
	Port      uint16 `json:"port"`
}

// String is "master dev eth0 id 1 group 224.0.0.81 port 8848".
func (d Daemon) String() string {
	return fmt.Sprintf("%s dev %s id %d group %s port %d", d.State, d.Interface, d.ID, d.Group, d.Port)
}

func lookForDaemons(ctx context.Context, h *host.Host) (all []Daemon, err error) {
	if h.Sync == nil {
		return nil, nil
	}
	daemons, err := h.Sync.Daemons(ctx)
	for _, d := range daemons {
		all = append(all, Daemon{d.State.String(), d.Interface, d.ID, d.Group.String(), d.Port})
	}
	return all, err
}

// A VIP is an address of the host that lvsdr brought there or that a service has.
type VIP struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	Label     string `json:"label,omitempty"`
	text      string // as ip-address(8) writes it
	addr      netip.Addr
}

// Timeouts are those of the IPVS table, in seconds.
type Timeouts struct {
	TCP    int `json:"tcp"`
	TCPFin int `json:"tcpFin"`
	UDP    int `json:"udp"`
}

// A Service is a virtual service of the table, by VIP and port or by firewall mark.
type Service struct {
	Protocol    string       `json:"protocol,omitempty"`
	VIP         string       `json:"vip,omitempty"`
	Port        uint16       `json:"port"`
	FWMark      uint32       `json:"fwmark,omitempty"`
	Scheduler   string       `json:"scheduler"`
	Persistence int          `json:"persistence"` // seconds
	OnePacket   bool         `json:"onePacket,omitempty"`
	Counters    Counters     `json:"counters"`
	Rates       Counters     `json:"rates"` // a second
	RealServers []RealServer `json:"realServers"`
	id          ipvs.ID
}

// A RealServer is a destination of a service.
type RealServer struct {
	Address    string   `json:"address"`
	Port       uint16   `json:"port"`
	Forwarding string   `json:"forwarding"` // dr, tun, nat, local, bypass
	Weight     int32    `json:"weight"`
	Active     uint32   `json:"active"`
	Inactive   uint32   `json:"inactive"`
	Persistent uint32   `json:"persistent"`
	Counters   Counters `json:"counters"`
	Rates      Counters `json:"rates"`
	endpoint   netip.AddrPort
}

// Counters count what came in through the director; with direct routing the
// replies do not pass it.
type Counters struct {
	Connections uint64 `json:"connections"`
	Packets     uint64 `json:"packets"`
	Bytes       uint64 `json:"bytes"`
}

// Look takes one look. Without IPVS in the kernel there are no services, which is no
// error; without the right to read the table it fails with fs.ErrPermission.
func Look(ctx context.Context, h *host.Host) (*Status, error) {
	roles, err := step.Roles(h)
	if err != nil {
		return nil, err
	}
	st := &Status{Role: strings.Join(roles, ","), Services: []Service{}}
	watched, running, err := step.KeepalivedRuns(ctx, h)
	if err != nil {
		return nil, err
	}
	if watched {
		st.Engine = &Engine{Name: "keepalived", Running: running}
	}
	if st.Sync, err = lookForDaemons(ctx, h); err != nil {
		return nil, err
	}
	if st.VRRP, err = step.VRRPState(ctx, h); err != nil {
		return nil, err
	}
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
	slices.SortFunc(st.Services, func(a, b Service) int { return a.id.Compare(b.id) })
	if len(services) > 0 {
		t, err := h.IPVS.Timeouts(ctx)
		if err != nil {
			return nil, err
		}
		st.Timeouts = &Timeouts{seconds(t.TCP), seconds(t.TCPFin), seconds(t.UDP)}
	}
	st.VIPs, err = lookForVIPs(ctx, h, services)
	return st, err
}

// lookForVIPs finds the addresses that lvsdr set up, those of the services, and those
// that are on loopback as a real server has its VIP.
func lookForVIPs(ctx context.Context, h *host.Host, services []ipvs.Service) ([]VIP, error) {
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
	links, err := h.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	vips := []VIP{}
	for _, a := range all {
		if isVIP[a.Prefix.Addr()] || onLoopback(a, links) {
			vips = append(vips, VIP{a.Prefix.String(), a.Link, a.Label, a.String(), a.Prefix.Addr()})
		}
	}
	return vips, nil
}

// onLoopback tells of an address that stands on lo as a real server's VIP does, set up
// by whomever.
func onLoopback(a host.Address, links []host.Link) bool {
	ip := a.Prefix.Addr()
	return a.Prefix.IsSingleIP() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() &&
		slices.ContainsFunc(links, func(l host.Link) bool { return l.Loopback && l.Name == a.Link })
}

func lookAt(ctx context.Context, h *host.Host, service ipvs.Service) (Service, error) {
	st := Service{
		Port: service.Port, FWMark: service.FWMark, Scheduler: service.Scheduler,
		Persistence: seconds(service.Persistence), OnePacket: service.Flags&ipvs.OnePacket != 0,
		RealServers: []RealServer{}, id: service.ID,
	}
	st.Counters, st.Rates = count(service.Stats.Values())
	if service.FWMark == 0 {
		st.Protocol, st.VIP = service.Protocol.String(), service.Addr.String()
	}
	servers, err := h.IPVS.Destinations(ctx, service.ID, ipvs.WithStats)
	for _, d := range servers {
		one := RealServer{
			Address: d.Addr.String(), Port: d.Port, Forwarding: forwarding[d.Forwarding], Weight: d.Weight,
			Active: d.Active, Inactive: d.Inactive, Persistent: d.Persistent,
			endpoint: netip.AddrPortFrom(d.Addr, d.Port),
		}
		one.Counters, one.Rates = count(d.Stats.Values())
		st.RealServers = append(st.RealServers, one)
	}
	slices.SortFunc(st.RealServers, func(a, b RealServer) int { return a.endpoint.Compare(b.endpoint) })
	return st, err
}

func count(s ipvs.Stats) (totals, rates Counters) {
	return Counters{s.Connections, s.InPackets, s.InBytes},
		Counters{s.ConnectionRate, s.InPacketRate, s.InByteRate}
}

var forwarding = map[ipvs.Forwarding]string{
	ipvs.DirectRoute: "dr", ipvs.Tunnel: "tun", ipvs.Masquerade: "nat", ipvs.LocalNode: "local", ipvs.Bypass: "bypass",
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// String renders the address as ip-address(8) does.
func (v VIP) String() string { return v.text }

// String renders what the service is told apart by: "tcp 10.10.10.22:80".
func (s Service) String() string { return s.id.String() }

// String renders address and port.
func (r RealServer) String() string { return r.endpoint.String() }
