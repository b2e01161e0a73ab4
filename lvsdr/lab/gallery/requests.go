//go:build linux

package gallery

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

// requestFaults: what clients send is lost, or its answer is.
var requestFaults = []Fault{{
	Name: "director-small-mtu", Catalogue: "O1",
	Title:  "the director's LAN interface takes 1400 bytes, everybody else's 1500: uploads vanish",
	Inject: all(on("dev-1", "ip link set eth0 mtu 1400"), largeRequest(false)),
	Sights: []Sight{{Host: "dev-1", Code: "large-requests"}},
	Heal:   all(on("dev-1", "ip link set eth0 mtu 1500"), largeRequest(true)),
}, {
	Name: "udp-wrong-source", Catalogue: "T5", Setup: "-",
	Title:  "a real server's DNS server listens on all addresses and answers from its own, not the VIP's",
	Make:   all(dnsFrom("dev-2", ":53", true), dnsFrom("dev-3", ":53", true), withDNS),
	Inject: dnsFrom("dev-2", ":53", false),
	Sights: seenOnWire("dr-path"),
	Heal:   dnsFrom("dev-2", "10.10.10.22:53", false),
}}

// requestVariants are their healthy kin.
var requestVariants = []Healthy{{
	Name: "udp-answered", Title: "one DNS server listens on all addresses and answers from the one that was asked, the other listens on the VIP", Setup: "-",
	Make: all(dnsFrom("dev-2", ":53", true), on("dev-3", "ip addr add 10.10.10.22/32 dev lo; sysctl -qw net.ipv4.conf.all.arp_ignore=1"),
		dnsFrom("dev-3", "10.10.10.22:53", false), withDNS),
}}

// largeRequest tries a request of one packet of some 1460 bytes. One of more bytes is
// cut into packets by the network card, which a veth is none of: it hands on the whole.
func largeRequest(passes bool) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		switch _, err := c.Client.Get(ctx, c.URL()+"?"+strings.Repeat("x", 1300)); {
		case passes:
			return err
		case err == nil:
			return errors.New("a large request is served in spite of it")
		}
		return nil
	}
}

// dnsFrom has the host's UDP server listen on this address, in place of the one before.
// It answers from the address that was asked, or from the one that the kernel takes.
func dnsFrom(host, addr string, asked bool) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		c.show(host, "the DNS server gets the configuration: listen on "+addr)
		c.mu.Lock()
		defer c.mu.Unlock()
		if s := c.servers[host+"/udp"]; s != nil {
			s.Close()
		}
		if asked {
			s, err := c.Host(host).ServeUDP(addr)
			c.servers[host+"/udp"] = s
			return err
		}
		conn, err := c.Host(host).ListenPacket(ctx, "udp4", addr)
		if err == nil {
			c.servers[host+"/udp"] = conn
			go echo(conn)
		}
		return err
	}
}

// echo answers each datagram with itself until the connection is closed.
func echo(conn net.PacketConn) {
	data := make([]byte, 1<<16)
	for {
		n, client, err := conn.ReadFrom(data)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			conn.WriteTo(data[:n], client)
		}
	}
}

// withDNS sets up HTTP and DNS.
func withDNS(ctx context.Context, c *Cluster) error {
	c.Flags = Flags + " -p 80 -p 53/udp"
	return c.SetUp(ctx)
}
