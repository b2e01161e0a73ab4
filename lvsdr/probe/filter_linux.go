package probe

import "golang.org/x/sys/unix"

// Ancillary data of classic BPF (include/uapi/linux/filter.h), 32-bit offsets.
const (
	adOff     = 0xfffff000 // SKF_AD_OFF
	adPktType = adOff + 4
	adVLANTag = adOff + 44
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
// has taken off the frame already.
func (p *program) untagged() {
	p.load(unix.BPF_H, adVLANTag)
	p.branch(unix.BPF_JSET, 0xfff, "drop", "")
}

// neighbours lets ARP, neighbour solicitations and advertisements through, but for
// this host's own.
func neighbours() []unix.SockFilter {
	var p program
	p.load(unix.BPF_W, adPktType)
	p.branch(unix.BPF_JEQ, unix.PACKET_OUTGOING, "drop", "")
	p.untagged()
	p.load(unix.BPF_H, 12)
	p.branch(unix.BPF_JEQ, etherARP, "take", "")
	p.branch(unix.BPF_JEQ, etherIPv6, "", "drop")
	p.load(unix.BPF_B, etherLen+6)
	p.branch(unix.BPF_JEQ, protoICMPv6, "", "drop")
	p.load(unix.BPF_B, etherLen+ipv6Len)
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
	p.load(unix.BPF_H, 12)
	p.branch(unix.BPF_JEQ, etherIPv6, "ipv6", "")
	p.branch(unix.BPF_JEQ, etherIPv4, "", "drop")
	p.load(unix.BPF_B, etherLen+9)
	p.branch(unix.BPF_JEQ, protoICMP, "take", "")
	p.branch(unix.BPF_JEQ, protoTCP, "ports", "")
	p.branch(unix.BPF_JEQ, protoUDP, "ports", "drop")
	p.label("ports")
	p.emit(unix.BPF_LDX|unix.BPF_B|unix.BPF_MSH, etherLen) // X: the header's length
	for _, at := range []uint32{etherLen, etherLen + 2} {
		p.emit(unix.BPF_LD|unix.BPF_H|unix.BPF_IND, at)
		p.within(first, last)
	}
	p.emit(unix.BPF_RET|unix.BPF_K, 0)
	p.label("ipv6")
	p.load(unix.BPF_B, etherLen+6)
	p.branch(unix.BPF_JEQ, protoICMPv6, "take", "")
	p.branch(unix.BPF_JEQ, protoTCP, "ports6", "")
	p.branch(unix.BPF_JEQ, protoUDP, "ports6", "drop")
	p.label("ports6")
	for _, at := range []uint32{etherLen + ipv6Len, etherLen + ipv6Len + 2} {
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
