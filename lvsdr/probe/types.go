package probe

import (
	"net"
	"net/netip"
	"time"
)

// A Question is "who has this IP address?".
type Question struct {
	Target netip.Addr
	// Source is the asker's IP address. Invalid or unspecified, it is a probe in
	// the form of RFC 5227 (ARP) or RFC 4861 duplicate address detection, which
	// everybody who has the address answers.
	Source netip.Addr
}

// An Answer is "I have, at this MAC address".
type Answer struct {
	MAC  net.HardwareAddr
	From net.HardwareAddr // of the frame, which a proxy's may differ in
	// Router is the flag of a neighbour advertisement.
	Router bool
}

// A Claim is a frame in which somebody says to have an IP address, unasked or
// asking for another one.
type Claim struct {
	Addr   netip.Addr
	MAC    net.HardwareAddr
	Target netip.Addr // whom it asked for; Addr itself when it is an announcement
}

// Kind is what a [Knock] sends.
type Kind uint8

// The kinds.
const (
	SYN      Kind = iota // a TCP SYN, and a RST when it is answered
	Echo                 // an ICMP echo request
	Datagram             // an empty UDP datagram
)

// A Knock is a packet to an IP address, sent to a MAC address of our choice: for
// a VIP at a real server's MAC address it takes the way a director's packets take.
type Knock struct {
	Kind Kind
	To   netip.AddrPort
	From netip.Addr
	MAC  net.HardwareAddr
}

// Outcome is what came of a [Knock].
type Outcome string

// The outcomes.
const (
	Silent      Outcome = "silent"      // nothing within the time
	Accepted    Outcome = "accepted"    // SYN-ACK, echo reply, UDP answer
	Reset       Outcome = "reset"       // RST
	Unreachable Outcome = "unreachable" // ICMP destination unreachable, see Type and Code
	Redirected  Outcome = "redirected"  // ICMP redirect: the host wants to route it
	Expired     Outcome = "expired"     // ICMP time exceeded: it went round until its TTL ended
	Returned    Outcome = "returned"    // the same packet came back with a smaller TTL
)

// A Reply is what came back for a [Knock].
type Reply struct {
	Outcome    Outcome
	MAC        net.HardwareAddr // who sent it, nil when silent
	From       netip.Addr       // its source IP address
	Type, Code uint8            // of ICMP
	TTL        uint8
	After      time.Duration
}
