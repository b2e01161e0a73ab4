package probe

import "golang.org/x/sys/unix"

// Ancillary data of classic BPF (include/uapi/linux/filter.h), 32-bit offsets.
const (
	adOff         = 0xfffff000 // SKF_AD_OFF
	adProtocol    = adOff      // the EtherType, behind all VLAN tags
	adPktType     = adOff + 4
	adVLANTag     = adOff + 44
	adVLANPresent = adOff + 48
	// netOff is where the IP header begins (SKF_NET_OFF): behind the tags, which stand
	// in the frame on a VLAN interface with "reorder_hdr off".
	netOff = 0xfff00000
)

// A program is a classic BPF filter in the making. Its jumps go to labels, since
// distances counted by hand are wrong sooner or later.
type program struct {
	code   []unix.SockFilter
	labels map[string]int
	jumps  []jump
}

type jump struct {
	at      int
	yes, no string // empty: the next instruction
}

func (p *program) emit(code uint16, k uint32) {
	p.code = append(p.code, unix.SockFilter{Code: code, K: k})
}

func (p *program) load(size uint16, offset uint32) { p.emit(unix.BPF_LD|size|unix.BPF_ABS, offset) }

func (p *program) branch(test uint16, k uint32, yes, no string) {
	p.jumps = append(p.jumps, jump{len(p.code), yes, no})
	p.emit(unix.BPF_JMP|test|unix.BPF_K, k)
}

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

// done appends the two ends and resolves the labels.
func (p *program) done() []unix.SockFilter {
	p.label("drop")
	p.emit(unix.BPF_RET|unix.BPF_K, 0)
	p.label("take")
	p.emit(unix.BPF_RET|unix.BPF_K, frameLen)
	for _, j := range p.jumps {
		if j.yes != "" {
			p.code[j.at].Jt = uint8(p.labels[j.yes] - j.at - 1)
		}
		if j.no != "" {
			p.code[j.at].Jf = uint8(p.labels[j.no] - j.at - 1)
		}
	}
	return p.code
}

// untagged drops what belongs to a VLAN on top of the interface, whose tag the kernel
// has taken off the frame already. Whether there is a tag must be asked first: the
// packet that a VLAN interface receives has none any more, but the kernel leaves its
// number where it was (vlan_do_receive in net/8021q/vlan_core.c). A tag with the
// number 0 is a priority alone, and the packet the interface's own (IEEE 802.1Q).
func (p *program) untagged() {
	p.load(unix.BPF_B, adVLANPresent)
	p.branch(unix.BPF_JEQ, 0, "untagged", "")
	p.load(unix.BPF_H, adVLANTag)
	p.branch(unix.BPF_JSET, 0xfff, "drop", "")
	p.label("untagged")
}

// neighbours lets ARP, neighbour solicitations and advertisements through, but for
// this host's own.
func neighbours() []unix.SockFilter {
	var p program
	p.load(unix.BPF_W, adPktType)
	p.branch(unix.BPF_JEQ, unix.PACKET_OUTGOING, "drop", "")
	p.untagged()
	p.load(unix.BPF_H, adProtocol)
	p.branch(unix.BPF_JEQ, etherARP, "take", "")
	p.branch(unix.BPF_JEQ, etherIPv6, "", "drop")
	p.load(unix.BPF_B, netOff+6)
	p.branch(unix.BPF_JEQ, protoICMPv6, "", "drop")
	p.load(unix.BPF_B, netOff+ipv6Len)
	p.branch(unix.BPF_JEQ, typeSolicitation, "take", "")
	p.branch(unix.BPF_JEQ, typeAdvertisement, "take", "drop")
	return p.done()
}

// answers lets ICMP through, and TCP and UDP with one of the ports first to last,
// where it is sent to this host's MAC address: a switch floods others too.
func answers(first, last uint16) []unix.SockFilter {
	var p program
	p.load(unix.BPF_W, adPktType)
	p.branch(unix.BPF_JEQ, unix.PACKET_HOST, "", "drop")
	p.untagged()
	p.load(unix.BPF_H, adProtocol)
	p.branch(unix.BPF_JEQ, etherIPv6, "ipv6", "")
	p.branch(unix.BPF_JEQ, etherIPv4, "", "drop")
	p.load(unix.BPF_B, netOff+9)
	p.branch(unix.BPF_JEQ, protoICMP, "take", "")
	p.branch(unix.BPF_JEQ, protoTCP, "ports", "")
	p.branch(unix.BPF_JEQ, protoUDP, "ports", "drop")
	p.label("ports")
	p.emit(unix.BPF_LDX|unix.BPF_B|unix.BPF_MSH, netOff) // X: the header's length
	for _, at := range []uint32{netOff, netOff + 2} {
		p.emit(unix.BPF_LD|unix.BPF_H|unix.BPF_IND, at)
		p.within(first, last)
	}
	p.emit(unix.BPF_RET|unix.BPF_K, 0)
	p.label("ipv6")
	p.load(unix.BPF_B, netOff+6)
	p.branch(unix.BPF_JEQ, protoICMPv6, "take", "")
	p.branch(unix.BPF_JEQ, protoTCP, "ports6", "")
	p.branch(unix.BPF_JEQ, protoUDP, "ports6", "drop")
	p.label("ports6")
	for _, at := range []uint32{netOff + ipv6Len, netOff + ipv6Len + 2} {
		p.load(unix.BPF_H, at)
		p.within(first, last)
	}
	return p.done()
}

// within takes the packet when the accumulator is first to last.
func (p *program) within(first, last uint16) {
	p.code = append(p.code,
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(first), Jf: 1},
	)
	p.branch(unix.BPF_JGT, uint32(last), "", "take")
}
