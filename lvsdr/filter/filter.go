// Package filter reads the packet filter rules that a kernel has really loaded,
// nftables' and iptables', and works out what they do with a packet, without
// sending one. What it cannot work out it says so; it never guesses an accept.
//
// Tables of nftables' families inet, ip, ip6, arp and netdev and all tables of iptables
// are evaluated, base chains in the order of their hooks and priorities; what a network
// device is given or gives (ingress, egress) with the hook next to it. The family bridge,
// flow tables and BPF programs are out of its sight.
//
// It is the one reader and the one evaluator of rules: the doctor asks it what
// becomes of a packet ([Ruleset.Trace]), set-up where a service's packets may be
// dropped ([Chain.Closes]).
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
	// Ingress is before Prerouting, of the devices that a chain names. No packet is
	// traced there by itself: it comes by in Prerouting.
	Ingress
	// Egress is as Ingress, behind Postrouting.
	Egress
)

// State is what connection tracking says of a packet ("ct state"); empty: it
// cannot be told.
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

// Protocols, by their IANA numbers.
const (
	icmp4 = 1
	tcp   = 6
	udp   = 17
	icmp6 = 58
	vrrp  = 112
	sctp  = 132
)

// A Packet is a packet at a hook.
type Packet struct {
	Hook    Hook
	In, Out string // interfaces; empty where there is none at the hook
	// Src may be invalid: any sender; so may Dst of a reply. Rules about senders
	// then make an Unsure verdict that [BySource].
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
	// LocalIn are those of Local that the interface In has, for "fib daddr . iif type
	// local". None: it is not known which.
	LocalIn []netip.Addr

	// Before leaves out the chains of this priority and later: what takes the
	// packet off the hook there. 0: all are asked.
	Before int
	// Redirect is where the host redirects to (nft's redirect): the first address
	// of the interface In.
	Redirect netip.Addr

	// Translated: the connection's destination is not what the client wrote.
	Translated bool
	// Answers: it goes back in a connection whose destination is not what the client
	// wrote.
	Answers   bool
	doubtful  doubtful
	original  netip.AddrPort // of a connection whose destination is another now: the one before
	stateless bool           // Translated by rules that write into the packet: connection tracking knows nothing of it
	written   []write        // into its headers, by rules
	connmark  connmark
	six       bool // it is IPv6, when no address tells
	any       bool // it is any packet of its protocol and family, see [Chain.Closes]
	arp       *arpPacket
}

// doubtful is what a rule may have changed that perhaps matched.
type doubtful struct{ mark, state bool }

// A connmark is the mark of the packet's connection, as rules have set it.
type connmark struct {
	value      uint32
	set, doubt bool // doubt: by a rule that perhaps matched
}

// A write is what a rule has written into a header.
type write struct {
	transport bool
	at        int
	data      bits
}

// v6 tells the packet's family.
func (p Packet) v6() bool {
	if p.Dst.IsValid() {
		return p.Dst.Is6()
	}
	if p.Src.IsValid() {
		return p.Src.Is6()
	}
	return p.six
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

// Reason is what an [Unsure] verdict depends on.
type Reason string

// The reasons.
const (
	// BySource: on who the sender is. Some are let through.
	BySource Reason = "source"
	// ByProgram: on a program that the packet is handed to (NFQUEUE).
	ByProgram Reason = "program"
	// ByMatch: on a condition that is not known here. The rule that would drop is
	// named.
	ByMatch Reason = "match"
)

// A Verdict is what all chains of a hook together do with a packet.
type Verdict struct {
	Action Action
	// Depends tells of an Unsure verdict what it depends on.
	Depends Reason
	// Rule is the one that decided, when it is not an accept.
	Rule *Rule
	// Untracked: a rule on the way keeps the packet out of connection tracking.
	Untracked bool
	// Translated tells of a rule that changes addresses or ports, in its own words.
	Translated *Rule
	// Packet is the packet as it leaves the hook.
	Packet Packet
}

// Where names the chain and the rule that decided, empty for an accept:
// "inet filter input: ct state invalid drop", "iptables-legacy INPUT: policy DROP".
func (v Verdict) Where() string {
	if v.Rule == nil {
		return ""
	}
	return v.Rule.String()
}

// Drops tells whether the packet surely does not pass.
func (v Verdict) Drops() bool { return v.Action == Drop || v.Action == Reject }
