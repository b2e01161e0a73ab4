package ipvs

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Ipvsadm renders the command as a person would type it: "ipvsadm -a -t
// 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1".
func (c Command) Ipvsadm() string {
	id := c.Service.ID.Ipvsadm()
	switch c.Op {
	case AddService:
		return "ipvsadm -A " + c.Service.ipvsadm()
	case SetService:
		return "ipvsadm -E " + c.Service.ipvsadm()
	case RemoveService:
		return "ipvsadm -D " + id
	case AddDestination:
		return "ipvsadm -a " + id + c.Destination.ipvsadm()
	case SetDestination:
		return "ipvsadm -e " + id + c.Destination.ipvsadm()
	case RemoveDestination:
		return "ipvsadm -d " + id + c.Destination.at()
	}
	return fmt.Sprintf("ipvsadm ?%d", c.Op)
}

// Ipvsadm names the service as ipvsadm does: "-t 10.10.10.22:80", "-f 7 -6".
func (id ID) Ipvsadm() string {
	switch {
	case id.FWMark != 0 && id.Addr.Is6():
		return fmt.Sprintf("-f %d -6", id.FWMark)
	case id.FWMark != 0:
		return fmt.Sprintf("-f %d", id.FWMark)
	}
	address := netip.AddrPortFrom(id.Addr, id.Port).String()
	switch id.Protocol {
	case UDP:
		return "-u " + address
	case SCTP:
		return "--sctp-service " + address
	}
	return "-t " + address
}

// ipvsadm is the service as "ipvsadm -S -n" writes it, behind -A (measured with
// ipvsadm 1.31).
func (s *Service) ipvsadm() string {
	var b strings.Builder
	b.WriteString(s.ID.Ipvsadm() + " -s " + s.Scheduler)
	if s.Flags&Persistent != 0 {
		fmt.Fprintf(&b, " -p %d", int(s.Persistence.Seconds()))
		if mask := s.netmask(); mask != "" {
			b.WriteString(" -M " + mask)
		}
		if s.PE != "" {
			b.WriteString(" --pe " + s.PE)
		}
	}
	if s.Flags&OnePacket != 0 {
		b.WriteString(" -o")
	}
	if flags := s.Flags.Of(s.Scheduler); len(flags) > 0 {
		b.WriteString(" -b " + strings.Join(flags, ","))
	}
	return b.String()
}

// netmask is what stands behind -M, empty where it is as usual.
func (s *Service) netmask() string {
	switch {
	case s.Addr.Is6() && s.Netmask != 128:
		return strconv.Itoa(s.Netmask)
	case !s.Addr.Is6() && s.Netmask != 32:
		mask := uint32(0)
		if s.Netmask > 0 {
			mask = ^uint32(0) << (32 - s.Netmask)
		}
		return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
	}
	return ""
}

// ipvsadm is the real server as "ipvsadm -S -n" writes it, and with the thresholds
// that ipvsadm leaves out there.
func (d *Destination) ipvsadm() string {
	method := "-g" // ipvsadm prints the kernel's LocalNode so, too
	switch d.Forwarding {
	case Masquerade:
		method = "-m"
	case Tunnel:
		method = "-i"
	}
	text := fmt.Sprintf("%s %s -w %d", d.at(), method, d.Weight)
	if d.UpperThreshold != 0 {
		text += fmt.Sprintf(" -x %d", d.UpperThreshold)
	}
	if d.LowerThreshold != 0 {
		text += fmt.Sprintf(" -y %d", d.LowerThreshold)
	}
	return text
}

func (d *Destination) at() string { return " -r " + netip.AddrPortFrom(d.Addr, d.Port).String() }
