// Package ipvs is a client of the kernel's IP Virtual Server over generic
// netlink (include/uapi/linux/ip_vs.h, net/netfilter/ipvs/ip_vs_ctl.c): it reads
// the table with as little decoding as its caller asks for, and carries out
// batches of commands with one acknowledgement a batch, telling exactly which
// command the kernel refused.
//
// A [Client] belongs to the network namespace of the thread that opened it.
package ipvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Protocol is a transport protocol by its IANA number.
type Protocol uint8

// The protocols that IPVS balances.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// String is the protocol in small letters, as /etc/protocols has it: "tcp"; of one that
// IPVS does not balance "proto47".
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return fmt.Sprintf("proto%d", uint8(p))
}

// ParseProtocol is the inverse of [Protocol.String] for the three protocols.
func ParseProtocol(s string) (Protocol, error) {
	switch strings.ToLower(s) {
	case "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	case "sctp":
		return SCTP, nil
	}
	return 0, fmt.Errorf("unknown protocol %q: tcp, udp or sctp", s)
}

// ID names a virtual service: an address, port and protocol, or a firewall mark
// with the address family it is for.
type ID struct {
	// Addr's family alone counts for a firewall mark; read back, it is then the
	// unspecified address of that family, and port and protocol are 0.
	Addr     netip.Addr
	Port     uint16
	Protocol Protocol
	FWMark   uint32
}

// String renders the ID as "tcp 10.10.10.22:80", "fwm 7" or "fwm 7 ipv6".
func (id ID) String() string {
	switch {
	case id.FWMark == 0:
		return id.Protocol.String() + " " + netip.AddrPortFrom(id.Addr, id.Port).String()
	case id.Addr.Is6():
		return fmt.Sprintf("fwm %d ipv6", id.FWMark)
	}
	return fmt.Sprintf("fwm %d", id.FWMark)
}

// Compare orders addresses before firewall marks, then by address, port and
// protocol, so that the services of one VIP stand together.
func (id ID) Compare(other ID) int {
	if c := cmp.Compare(id.FWMark, other.FWMark); c != 0 {
		return c
	}
	if c := id.Addr.Compare(other.Addr); c != 0 {
		return c
	}
	if c := cmp.Compare(id.Port, other.Port); c != 0 {
		return c
	}
	return cmp.Compare(id.Protocol, other.Protocol)
}

// Flags are a service's flags (IP_VS_SVC_F_*).
type Flags uint32

// The flags a user sets.
const (
	Persistent Flags = 0x1
	OnePacket  Flags = 0x4
	Sched1     Flags = 0x8  // sh-fallback, mh-fallback
	Sched2     Flags = 0x10 // sh-port, mh-port
	Sched3     Flags = 0x20
)

// Service is a virtual service as the kernel keeps it.
type Service struct {
	ID
	Scheduler   string
	Flags       Flags         // without the kernel's own IP_VS_SVC_F_HASHED
	Persistence time.Duration // whole seconds; written, it implies the flag Persistent
	// Netmask is the prefix length that makes clients one client for persistence:
	// 1 to 32, or 128 for IPv6. Written as 0 it becomes 32 or 128, because a mask
	// of 0.0.0.0 would send every client to one real server. Read as 0, some other
	// tool has set a mask that is no prefix length of at least 1.
	Netmask int
	PE      string // persistence engine, "sip" or empty
	Stats   *Stats // nil where they were not read
}

// Forwarding is a destination's forwarding method (IP_VS_CONN_F_FWD_MASK).
type Forwarding uint32

// The forwarding methods.
const (
	Masquerade  Forwarding = 0
	LocalNode   Forwarding = 1
	Tunnel      Forwarding = 2
	DirectRoute Forwarding = 3
	Bypass      Forwarding = 4
)

// Destination is a real server of a service as the kernel keeps it.
type Destination struct {
	Addr       netip.Addr
	Port       uint16
	Forwarding Forwarding
	Weight     int32
	// UpperThreshold and LowerThreshold bound the number of connections; 0: none.
	UpperThreshold, LowerThreshold uint32
	// Active, Inactive and Persistent count connections.
	Active, Inactive, Persistent uint32
	Stats                        *Stats // nil where they were not read
}

// An Entry is a service with its real servers.
type Entry struct {
	Service
	Destinations []Destination
}

// Stats are totals since the service or destination was added, and rates a second. They
// are read [WithStats] alone.
type Stats struct {
	Connections, InPackets, OutPackets, InBytes, OutBytes                uint64
	ConnectionRate, InPacketRate, OutPacketRate, InByteRate, OutByteRate uint64
}

// Values returns the counters, all 0 where they were not read.
func (s *Stats) Values() Stats {
	if s == nil {
		return Stats{}
	}
	return *s
}

// Timeouts are the connection timeouts of ipvsadm --set, whole seconds.
type Timeouts struct {
	TCP, TCPFin, UDP time.Duration
}

// Op is what a [Command] does.
type Op uint8

// The commands.
const (
	AddService Op = iota + 1
	SetService
	RemoveService
	AddDestination
	SetDestination
	RemoveDestination
)

// String is the operation in words, for errors: "add service".
func (o Op) String() string {
	switch o {
	case AddService:
		return "add service"
	case SetService:
		return "set service"
	case RemoveService:
		return "remove service"
	case AddDestination:
		return "add real server"
	case SetDestination:
		return "set real server"
	case RemoveDestination:
		return "remove real server"
	}
	return fmt.Sprintf("command %d", uint8(o))
}

// onDestination tells whether the command is about a real server.
func (o Op) onDestination() bool { return o >= AddDestination && o <= RemoveDestination }

// Command is one change of the table. Destination counts only for the commands
// on destinations; of Service these, and RemoveService, need no more than the ID.
// Counters and Stats are not written.
type Command struct {
	Op          Op
	Service     *Service
	Destination *Destination
}

// String renders the command as "add real server 10.10.10.31:80 of tcp 10.10.10.22:80".
func (c Command) String() string {
	if c.Service == nil {
		return c.Op.String()
	}
	if c.Op.onDestination() && c.Destination != nil {
		at := netip.AddrPortFrom(c.Destination.Addr, c.Destination.Port)
		return fmt.Sprintf("%v %v of %v", c.Op, at, c.Service.ID)
	}
	return fmt.Sprintf("%v %v", c.Op, c.Service.ID)
}
