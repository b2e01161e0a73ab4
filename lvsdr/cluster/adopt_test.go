package cluster

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// TestFromTableIsTheInverse: a configuration's table is described as that configuration.
func TestFromTableIsTheInverse(t *testing.T) {
	for _, text := range []string{
		mission,
		"services: [{vip: 10.0.0.1, ports: [80, 443, 53/udp], scheduler: sh, schedulerFlags: [sh-port], persistence: 1h, persistenceNetmask: 24, realServers: [{address: 10.0.0.2, weight: 0}, {address: 10.0.0.3, upperThreshold: 9, lowerThreshold: 3}]}]",
		"services: [{vip: 2001:db8::1, ports: [53/udp], onePacket: true, realServers: [{address: 2001:db8::2}]}, {vip: 2001:db8::1, ports: [80], realServers: [{address: 2001:db8::3}]}]",
	} {
		want, err := ParseConfig("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, remarks := FromTable(want.VirtualServices(), ipvs.Timeouts{
			TCP: time.Duration(want.Timeouts.TCP), TCPFin: time.Duration(want.Timeouts.TCPFin), UDP: time.Duration(want.Timeouts.UDP)})
		if len(remarks) > 0 || !got.Equal(Config{Services: want.Services, Timeouts: want.Timeouts}) {
			t.Errorf("%s: got %+v, %v", text, got, remarks)
		}
		if len(got.Services) != len(want.Services) {
			t.Errorf("%s: %d services of %d", text, len(got.Services), len(want.Services))
		}
		if err := got.Validate(DirectorRole); err != nil {
			t.Error(err)
		}
	}
}

// TestFromTableRemarks: what a configuration cannot say is told, and the rest is right.
func TestFromTableRemarks(t *testing.T) {
	ip := netip.MustParseAddr
	good := ipvs.Destination{Addr: ip("10.0.0.9"), Port: 80, Forwarding: ipvs.DirectRoute, Weight: 1}
	with := func(change func(*ipvs.Entry)) ipvs.Entry {
		e := ipvs.Entry{Service: ipvs.Service{ID: ipvs.ID{Addr: ip("10.0.0.1"), Port: 80, Protocol: ipvs.TCP}, Scheduler: "rr", Netmask: 32},
			Destinations: []ipvs.Destination{good}}
		change(&e)
		return e
	}
	server := func(change func(*ipvs.Destination)) ipvs.Entry {
		return with(func(e *ipvs.Entry) {
			d := ipvs.Destination{Addr: ip("10.0.0.2"), Port: 80, Forwarding: ipvs.DirectRoute, Weight: 1}
			change(&d)
			e.Destinations = append(e.Destinations, d)
		})
	}
	for _, tt := range []struct {
		entry   ipvs.Entry
		want    string
		servers int // that are left; 0: the service is left out
	}{
		{with(func(e *ipvs.Entry) { e.ID = ipvs.ID{FWMark: 7, Addr: netip.IPv4Unspecified()} }), "fwm 7: a service by firewall mark is left out", 0},
		{with(func(e *ipvs.Entry) { e.Scheduler = "rr\x1b" }), `the scheduler "rr\x1b" is none`, 0},
		{with(func(e *ipvs.Entry) { e.Flags = ipvs.Sched1 }), "the flag flag-1 means nothing", 1},
		{with(func(e *ipvs.Entry) { e.Flags = ipvs.OnePacket }), "only UDP", 1},
		{with(func(e *ipvs.Entry) { e.PE, e.Persistence = "sip", time.Second }), "persistence engine sip", 1},
		{with(func(e *ipvs.Entry) { e.Netmask, e.Persistence = 0, time.Second }), "no prefix length", 1},
		{with(func(e *ipvs.Entry) { e.Destinations = nil }), "no real server is left", 0},
		{server(func(d *ipvs.Destination) { d.Forwarding = ipvs.LocalNode }), "the director itself", 1},
		{server(func(d *ipvs.Destination) { d.Forwarding = ipvs.Masquerade }), "reached by NAT and will be by direct routing", 2},
		{server(func(d *ipvs.Destination) { d.Forwarding, d.Port = ipvs.Masquerade, 8080 }), "real server 10.0.0.2:8080 of tcp 10.0.0.1:80: left out: it is reached by NAT on port 8080", 1},
		{server(func(d *ipvs.Destination) { d.Forwarding = ipvs.Tunnel }), "reached by tunnelling", 2},
		{server(func(d *ipvs.Destination) { d.Port = 8080 }), "its port 8080 is left out", 2},
		{server(func(d *ipvs.Destination) { d.Addr = ip("2001:db8::2") }), "another address family", 1},
		{server(func(d *ipvs.Destination) { d.Addr = ip("127.0.0.1") }), "real server 127.0.0.1:80 of tcp 10.0.0.1:80: left out: it is the director itself", 1},
		{server(func(d *ipvs.Destination) { d.Addr = ip("10.0.0.1") }), "left out: it is the director itself", 1},
		{server(func(d *ipvs.Destination) { d.LowerThreshold = 1 }), "its lower threshold 1", 2},
	} {
		c, remarks := FromTable([]ipvs.Entry{tt.entry}, ipvs.Timeouts{})
		if len(remarks) != 1 || !remarks[0].Lost || !strings.Contains(remarks[0].String(), tt.want) {
			t.Errorf("got %v, want %s", remarks, tt.want)
		}
		left := 0
		for _, s := range c.Services {
			left += len(s.RealServers)
		}
		if left != tt.servers {
			t.Errorf("%v: %d real servers, want %d", remarks, left, tt.servers)
		}
		if err := c.Validate(""); len(c.Services) > 0 && err != nil {
			t.Error(err)
		}
	}
}

// TestMerged joins what differs in the ports alone, and nothing else.
func TestMerged(t *testing.T) {
	c, err := ParseConfig("f", []byte(`services:
  - {vip: 10.0.0.1, ports: [80], realServers: [{address: 10.0.0.2}]}
  - {vip: 10.0.0.3, ports: [80], realServers: [{address: 10.0.0.2}]}
  - {vip: 10.0.0.1, ports: [443], realServers: [{address: 10.0.0.2}]}
  - {vip: 10.0.0.1, ports: [53/udp], realServers: [{address: 10.0.0.2, weight: 2}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(c.Services)
	got := c.Merged()
	if !got.Equal(c) || len(got.Services) != 3 || len(got.Services[0].Ports) != 2 {
		t.Errorf("got %+v", got.Services)
	}
	if !reflect.DeepEqual(before, c.Services) {
		t.Error("the configuration itself is changed")
	}
}

func TestRemarkText(t *testing.T) {
	for want, r := range map[string]Remark{
		"f:3: o: t": {File: "f", Line: 3, Object: "o", Text: "t"}, "f: t": {File: "f", Text: "t"}, "t": {Text: "t"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
