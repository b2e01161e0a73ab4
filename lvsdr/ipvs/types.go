// Package ipvs is a client of the kernel's IP Virtual Server over generic
// netlink (include/uapi/linux/ip_vs.h, net/netfilter/ipvs/ip_vs_ctl.c): it reads
// the table with as little decoding as its caller asks for, and carries out
// batches of commands with one acknowledgement a batch, telling exactly which
// command the kernel refused.
//
// A [Client] belongs to the network namespace of the thread that opened it.
package ipvs

import (
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
	Addr     netip.Addr // for a firewall mark only its family counts
	Port     uint16
	Protocol Protocol
	FWMark   uint32
}

// String renders the ID as "tcp 10.10.10.22:80" or "fwm 7".
func (id ID) String() string {
	if id.FWMark != 0 {
		return fmt.Sprintf("fwm %d", id.FWMark)
	}
	return id.Protocol.String() + " " + netip.AddrPortFrom(id.Addr, id.Port).String()
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
	Persistence time.Duration // whole seconds; 0 without the flag Persistent
	Netmask     int           // prefix length of persistence: 1 to 32 or 128
	PE          string        // persistence engine, "sip" or empty
	Stats       Stats
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
	Stats                        Stats
}

// Stats are totals since the service or destination was added, and rates a second.
type Stats struct {
	Connections, InPackets, OutPackets, InBytes, OutBytes                uint64
	ConnectionRate, InPacketRate, OutPacketRate, InByteRate, OutByteRate uint64
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

// Command is one change of the table. Destination counts only for the commands
// on destinations; of Service these need no more than the ID.
type Command struct {
	Op          Op
	Service     *Service
	Destination *Destination
}

// CommandError tells which command of a batch the kernel refused.
// Err unwraps to fs.ErrExist or fs.ErrNotExist where it is that, and to the errno.
type CommandError struct {
	Index   int
	Command Command
	Err     error
}

func (e *CommandError) Error() string { return fmt.Sprintf("ipvs: command %d: %v", e.Index, e.Err) }

func (e *CommandError) Unwrap() error { return e.Err }
