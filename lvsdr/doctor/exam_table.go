package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A servedService is a virtual service that the configuration wants, and the one
// of the IPVS table that takes its packets.
type servedService struct {
	want ipvs.Entry
	live *ipvs.Entry // nil: none does
}

// served looks every configured service up in the table. Services of the table
// that serve none of them are somebody else's.
func (e *Exam) served(ctx context.Context) ([]servedService, error) {
	return e.seen.served.get(ctx, func() ([]servedService, error) {
		table, err := e.Table(ctx)
		if err != nil {
			return nil, err
		}
		byID := make(map[ipvs.ID]*ipvs.Entry, len(table))
		for i := range table {
			byID[table[i].ID] = &table[i]
		}
		wanted := e.Config.VirtualServices()
		all := make([]servedService, len(wanted))
		for i, want := range wanted {
			all[i] = servedService{want, serving(want, byID, table)}
		}
		return all, nil
	})
}

// serving finds the service that takes want's packets: its own, else that of all
// the VIP's ports (__ip_vs_service_find and ip_vs_service_find in
// net/netfilter/ipvs/ip_vs_ctl.c), else one of a firewall mark that sends to the
// same real servers; which packets are marked is not looked at.
func serving(want ipvs.Entry, byID map[ipvs.ID]*ipvs.Entry, table []ipvs.Entry) *ipvs.Entry {
	if live := byID[want.ID]; live != nil {
		return live
	}
	if live := byID[ipvs.ID{Addr: want.Addr, Protocol: want.Protocol}]; live != nil {
		return live
	}
	i := slices.IndexFunc(table, func(v ipvs.Entry) bool {
		return v.FWMark != 0 && v.Addr.Is6() == want.Addr.Is6() && slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool {
			return destinationOf(&want, d.Addr) != nil
		})
	})
	if i < 0 {
		return nil
	}
	return &table[i]
}

// destination returns the service's real server at the address, nil when none is.
func destinationOf(v *ipvs.Entry, addr netip.Addr) *ipvs.Destination {
	i := slices.IndexFunc(v.Destinations, func(d ipvs.Destination) bool { return d.Addr == addr })
	if i < 0 {
		return nil
	}
	return &v.Destinations[i]
}

// ours are the services of the table that serve the configuration's, each once, with
// the one that they serve; where they serve several (all ports, a firewall mark), with
// the real servers of all.
func (e *Exam) ours(ctx context.Context) ([]servedService, error) {
	all, err := e.served(ctx)
	var ours []servedService
	at := map[ipvs.ID]int{}
	for _, s := range all {
		if s.live == nil {
			continue
		}
		i, ok := at[s.live.ID]
		if !ok {
			at[s.live.ID] = len(ours)
			ours = append(ours, s)
			continue
		}
		want := &ours[i].want
		want.Destinations = slices.Clone(want.Destinations)
		for _, d := range s.want.Destinations {
			if destinationOf(want, d.Addr) == nil {
				want.Destinations = append(want.Destinations, d)
			}
		}
	}
	return ours, err
}

// eachOurs collects what judge finds about every service of ours.
func (e *Exam) eachOurs(ctx context.Context, judge func(servedService) []Problem) ([]Problem, error) {
	services, err := e.ours(ctx)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, s := range services {
		problems = append(problems, judge(s)...)
	}
	return problems, nil
}

// A flow is the connections from one virtual address and port to one real server.
type flow struct {
	protocol        cluster.Protocol
	virtual, server netip.AddrPort
}

// A tally counts a flow's connections.
type tally struct {
	others    int       // past SYN_RECV
	from      [2]origin // the clients of this host's subnets, and those beyond
	open      int       // in a state in which the client may still send
	stuck     int       // in SYN_RECV, and the client waits (see stuckConnection)
	clients   []netip.Addr
	templates int // that tie a client to the real server
}

// An origin counts a flow's connections by where their clients are.
type origin struct {
	others, stuck int        // as of a tally, the others without those that were reset
	client        netip.Addr // one that waits
}

// The origins of a tally.
const (
	onLAN = iota
	beyond
)

// flows counts the connections of the table. Those of a service of all ports count
// under its port 0.
func (e *Exam) flows(ctx context.Context) (map[flow]*tally, error) {
	return e.seen.flows.get(ctx, func() (map[flow]*tally, error) {
		services, err := e.ours(ctx)
		if err != nil {
			return nil, err
		}
		connections, err := e.Connections(ctx)
		if err != nil {
			return nil, err
		}
		allPorts := map[ipvs.ID]bool{}
		for _, s := range services {
			allPorts[s.live.ID] = s.live.Port == 0
		}
		addresses, err := e.Addresses(ctx)
		if err != nil {
			return nil, err
		}
		here := subnetsOf(addresses)
		all := map[flow]*tally{}
		for _, c := range connections {
			f := flow{c.Protocol, c.Virtual, c.Server}
			if allPorts[ipvs.ID{Addr: c.Virtual.Addr(), Protocol: c.Protocol}] {
				f.virtual = netip.AddrPortFrom(c.Virtual.Addr(), 0)
				f.server = netip.AddrPortFrom(c.Server.Addr(), 0)
			}
			if all[f] == nil {
				all[f] = &tally{}
			}
			all[f].count(c, place(here, c.Client.Addr()))
		}
		return all, nil
	})
}

// flow names the connections of a service to a real server.
func flowOf(v *ipvs.Entry, d ipvs.Destination) flow {
	if v.Port == 0 {
		d.Port = 0
	}
	return flow{v.Protocol, netip.AddrPortFrom(v.Addr, v.Port), netip.AddrPortFrom(d.Addr, d.Port)}
}

// place tells where a client is.
func place(here subnets, client netip.Addr) int {
	if here.contain(client) {
		return onLAN
	}
	return beyond
}

func (t *tally) count(c ipvs.Connection, place int) {
	if c.Template() {
		t.templates++
		return
	}
	if c.State != "SYN_RECV" {
		t.others++
		if c.State != "CLOSE" { // reset: by a doctor on the client too, which asked and was not answered
			t.from[place].others++
		}
	}
	if slices.Contains([]string{"SYN_RECV", "ESTABLISHED", "UDP"}, c.State) {
		t.open++
	}
	if stuckConnection(c) {
		t.stuck++
		t.from[place].stuck++
		t.from[place].client = c.Client.Addr()
		if len(t.clients) < manyClients && !slices.Contains(t.clients, c.Client.Addr()) {
			t.clients = append(t.clients, c.Client.Addr())
		}
	}
}

// manyClients is how many of a flow's clients are told apart.
const manyClients = 3

// synTimeout is how long a connection may wait in SYN_RECV after the last SYN
// (tcp_timeouts in net/netfilter/ipvs/ip_vs_proto_tcp.c); "ipvsadm --set" does not
// change it.
const synTimeout = 60 * time.Second

// stuckConnection tells of a connection whose client waits: its SYN was more than
// a second ago, which no handshake takes, and less than 20 seconds, so that what
// has been mended is soon forgotten.
func stuckConnection(c ipvs.Connection) bool {
	idle := synTimeout - c.Expires
	return c.State == "SYN_RECV" && idle > time.Second && idle < 20*time.Second
}

// ends renders real servers for a finding, the first few of many.
func ends(all []ipvs.Destination) string {
	const few = 4
	var texts []string
	for _, d := range all[:min(few, len(all))] {
		texts = append(texts, netip.AddrPortFrom(d.Addr, d.Port).String())
	}
	text := strings.Join(texts, ", ")
	if len(all) > few {
		text += fmt.Sprintf(" and %d more", len(all)-few)
	}
	return text
}
