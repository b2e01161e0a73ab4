//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// A size is a table of so many services with so many real servers each.
type size struct{ services, servers int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.services, s.servers) }

var vip = netip.MustParseAddr("10.10.10.22")

// rip is the address of real server i, on the lab's LAN for the first hundred.
func (s size) rip(i int) netip.Addr {
	if s.servers <= 100 {
		return netip.AddrFrom4([4]byte{10, 10, 10, byte(130 + i)})
	}
	return netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})
}

// config is the cluster: one VIP, a port a service.
func (s size) config() cluster.Config {
	drain := cluster.Duration(0)
	c := cluster.Config{Drain: &drain, Services: []cluster.Service{{VIP: vip}}}
	of := &c.Services[0]
	for i := range s.services {
		of.Ports = append(of.Ports, cluster.Port{Number: uint16(1 + i), Protocol: cluster.TCP})
	}
	for i := range s.servers {
		of.RealServers = append(of.RealServers, cluster.RealServer{Address: s.rip(i)})
	}
	return c
}

// rules is the same for ipvsadm -R.
func (s size) rules() string {
	var b strings.Builder
	for i := range s.services {
		fmt.Fprintf(&b, "-A -t %s:%d -s wrr\n", vip, 1+i)
		for k := range s.servers {
			fmt.Fprintf(&b, "-a -t %s:%d -r %s:%d -g -w 1\n", vip, 1+i, s.rip(k), 1+i)
		}
	}
	return b.String()
}

// keepalived is the same as a keepalived.conf, without health checks.
func (s size) keepalived() string {
	var b strings.Builder
	for i := range s.services {
		fmt.Fprintf(&b, "virtual_server %s %d {\n lb_algo wrr\n lb_kind DR\n protocol TCP\n", vip, 1+i)
		for k := range s.servers {
			fmt.Fprintf(&b, " real_server %s %d {\n  weight 1\n }\n", s.rip(k), 1+i)
		}
		b.WriteString("}\n")
	}
	return b.String()
}
