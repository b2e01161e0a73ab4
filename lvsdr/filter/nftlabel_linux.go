package filter

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// The words for what a rule loads into a register.

func (w *writer) load(e expression) {
	to := map[string]uint16{
		"payload": unix.NFTA_PAYLOAD_DREG, "meta": unix.NFTA_META_DREG, "ct": unix.NFTA_CT_DREG,
		"fib": unix.NFTA_FIB_DREG, "exthdr": unix.NFTA_EXTHDR_DREG,
	}[string(e.name)]
	if !e.has(to) {
		w.say("%s set", e.name)
		return
	}
	w.labels[register(e.number(to))] = w.label(e)
}

func (w *writer) label(e expression) label {
	switch string(e.name) {
	case "payload":
		return w.payload(e)
	case "meta":
		if l, ok := metaLabels[e.number(unix.NFTA_META_KEY)]; ok {
			return l
		}
	case "ct":
		if e.number(unix.NFTA_CT_KEY) == unix.NFT_CT_STATE {
			return label{text: "ct state", kind: asState}
		}
		if e.number(unix.NFTA_CT_KEY) == unix.NFT_CT_STATUS {
			return label{text: "ct status"}
		}
	case "fib":
		text := "fib daddr"
		if e.number(unix.NFTA_FIB_FLAGS)&unix.NFTA_FIB_F_SADDR != 0 {
			text = "fib saddr"
		}
		for _, with := range []struct {
			flag uint32
			word string
		}{{unix.NFTA_FIB_F_MARK, "mark"}, {unix.NFTA_FIB_F_IIF, "iif"}, {unix.NFTA_FIB_F_OIF, "oif"}} {
			if e.number(unix.NFTA_FIB_FLAGS)&with.flag != 0 {
				text += " . " + with.word
			}
		}
		if e.number(unix.NFTA_FIB_RESULT) == 3 {
			return label{text: text + " type", kind: asRouteType}
		}
		if e.number(unix.NFTA_FIB_FLAGS)&unix.NFTA_FIB_F_PRESENT != 0 {
			return label{text: text + " oif", kind: asPresence}
		}
		return label{text: text + " oif"}
	case "exthdr":
		return w.option(e)
	}
	return label{text: string(e.name)}
}

// option names one of TCP's.
func (w *writer) option(e expression) label {
	name, known := tcpOptions[e.number(unix.NFTA_EXTHDR_TYPE)]
	switch {
	case !known || e.number(unix.NFTA_EXTHDR_OP) != unix.NFT_EXTHDR_OP_TCPOPT:
		return label{text: "exthdr"}
	case e.number(unix.NFTA_EXTHDR_FLAGS)&unix.NFT_EXTHDR_F_PRESENT != 0:
		return label{text: "tcp option " + name, kind: asPresence}
	case e.number(unix.NFTA_EXTHDR_TYPE) == tcpMSS:
		return label{text: "tcp option " + name + " size", kind: asPort}
	}
	return label{text: "tcp option " + name}
}

var tcpOptions = map[uint32]string{tcpMSS: "maxseg", 3: "window", 4: "sack-perm", 8: "timestamp"}

var metaLabels = map[uint32]label{
	unix.NFT_META_LEN: {text: "meta length", kind: asNumber}, unix.NFT_META_PROTOCOL: {text: "meta protocol", kind: asEtherType},
	unix.NFT_META_MARK: {text: "meta mark", kind: asNumber}, unix.NFT_META_IIF: {text: "iif", kind: asNumber}, unix.NFT_META_OIF: {text: "oif", kind: asNumber},
	unix.NFT_META_IIFNAME: {text: "iifname", kind: asName}, unix.NFT_META_OIFNAME: {text: "oifname", kind: asName},
	unix.NFT_META_NFPROTO: {text: "meta nfproto", kind: asFamily}, unix.NFT_META_L4PROTO: {text: "meta l4proto", kind: asProtocol},
	unix.NFT_META_PKTTYPE: {text: "meta pkttype", kind: asPacketType},
}

// payload names a field of a header.
func (w *writer) payload(e expression) label {
	base, from, n := e.number(unix.NFTA_PAYLOAD_BASE), e.number(unix.NFTA_PAYLOAD_OFFSET), e.number(unix.NFTA_PAYLOAD_LEN)
	field := [2]uint32{from, n}
	switch {
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && !w.v6:
		if from == 12 && n <= 4 || from == 16 && n <= 4 {
			return label{text: "ip " + map[uint32]string{12: "saddr", 16: "daddr"}[from], kind: asAddr}
		}
		if from == 8 || from == 9 {
			return []label{{text: "ip ttl", kind: asNumber}, {text: "ip protocol", kind: asProtocol}}[from-8]
		}
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER:
		if from == 8 || from == 24 {
			return label{text: "ip6 " + map[uint32]string{8: "saddr", 24: "daddr"}[from], kind: asAddr}
		}
		if from == 6 || from == 7 {
			return []label{{text: "ip6 nexthdr", kind: asProtocol}, {text: "ip6 hoplimit", kind: asNumber}}[from-6]
		}
	case base == unix.NFT_PAYLOAD_TRANSPORT_HEADER && (w.protocol == icmp4 || w.protocol == icmp6) && n == 1 && from < 2:
		return label{text: protocolName(w.protocol) + []string{" type", " code"}[from], kind: asNumber}
	case base == unix.NFT_PAYLOAD_TRANSPORT_HEADER && w.protocol == tcp && field == [2]uint32{13, 1}:
		return label{text: "tcp flags", kind: asFlags}
	case base == unix.NFT_PAYLOAD_TRANSPORT_HEADER && n == 2 && (from == 0 || from == 2):
		return label{text: protocolName(w.protocol) + map[uint32]string{0: " sport", 2: " dport"}[from], kind: asPort}
	}
	return label{text: fmt.Sprintf("@%s,%d,%d", []string{"ll", "nh", "th", "ih", "th"}[min(base, 4)], from*8, n*8)}
}

func protocolName(n uint8) string {
	switch n {
	case 0:
		return "th"
	case icmp4:
		return "icmp"
	case icmp6:
		return "icmpv6"
	}
	for name, number := range protocolNumbers {
		if number == n {
			return name
		}
	}
	return strconv.Itoa(int(n))
}
