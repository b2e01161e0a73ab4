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
	// everybody who has the address answers, and no proxy.
	Source netip.Addr
	// All waits the whole time for further answers: Linux's proxy ARP takes up to
	// 0.8 s (proxy_delay, arp(7)). Otherwise the first answer is waited for, and a
	// moment more.
	All bool
}

// An Answer is "I have, at this MAC address".
type Answer struct {
	MAC    net.HardwareAddr
	From   net.HardwareAddr // of the frame
	Router bool             // the flag of a neighbour advertisement
	// More is how many further answers came from MAC addresses that are not kept, on
	// the last one that is.
	More int
}

// A Claim is a frame in which somebody says to have an IP address, asked for it or
// not. Its hearers take the MAC address for that of the IP address.
type Claim struct {
	Addr   netip.Addr
	MAC    net.HardwareAddr
	Target netip.Addr // whom it asked for; Addr itself in an answer or announcement
	// More is how many further claims of Addr came from MAC addresses that are not
	// kept, on the last one that is.
	More int
}

// Kind is what a [Knock] sends.
type Kind uint8

// The kinds.
const (
	SYN      Kind = iota // a TCP SYN, and the end of the connection when it is answered
	Echo                 // an ICMP echo request
	Datagram             // a UDP datagram with what a server of the port answers, see [RequestName]
)

// A Knock is a packet to an IP address, sent to a MAC address of our choice: for
// a VIP at a real server's MAC address it takes the way a director's packets take.
type Knock struct {
	Kind Kind
	To   netip.AddrPort // the port counts for SYN and Datagram
	From netip.Addr     // an address of this host, or the answer goes elsewhere
	MAC  net.HardwareAddr
}

// TTL is that of a [Knock]: enough for a host that hands it on to a container,
// and too little for a packet that two hosts send to each other to be a storm.
const TTL = 4

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
	// Misaddressed is a UDP answer from another address than was asked, as a server gives
	// that listens on all addresses and does not look at which one was: see From.
	Misaddressed Outcome = "misaddressed"
)

// A Reply is what came back for a [Knock].
type Reply struct {
	Outcome    Outcome
	MAC        net.HardwareAddr // who sent it, nil when silent
	From       netip.Addr       // its source IP address
	Type, Code uint8            // of ICMP
	TTL        uint8
	MSS        uint16 // of a SYN-ACK: the segment size that the server takes, 0: it does not say
	After      time.Duration
}
