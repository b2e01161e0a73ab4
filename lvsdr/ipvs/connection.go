package ipvs

import (
	"net/netip"
	"time"
)

// A Connection is one entry of IPVS's connection table, as /proc/net/ip_vs_conn
// has it (net/netfilter/ipvs/ip_vs_conn.c).
type Connection struct {
	Protocol Protocol
	Client   netip.AddrPort
	Virtual  netip.AddrPort
	Server   netip.AddrPort
	State    string        // "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "UDP", "NONE" …
	Expires  time.Duration // until the entry goes
	PE       string        // the persistence engine, empty for none
}

// Template tells of an entry that only ties a client to a real server
// (persistence): its client has no port.
func (c Connection) Template() bool { return c.Client.Port() == 0 }
