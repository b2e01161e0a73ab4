package step

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// describeService renders what counts of a service in the words of ipvsadm.
func describeService(s *ipvs.Service) string {
	var b strings.Builder
	b.WriteString(s.Scheduler)
	if s.Flags&ipvs.Persistent != 0 {
		b.WriteString(" persistent " + strconv.Itoa(int(s.Persistence/time.Second)))
		if s.Netmask != 0 && s.Netmask != s.Addr.BitLen() {
			b.WriteString(" mask /" + strconv.Itoa(s.Netmask))
		}
	}
	if s.Flags&ipvs.OnePacket != 0 {
		b.WriteString(" ops")
	}
	if names := s.Flags.Of(s.Scheduler); len(names) > 0 {
		b.WriteString(" flags " + strings.Join(names, ","))
	}
	if s.PE != "" {
		b.WriteString(" pe " + s.PE)
	}
	return b.String()
}

// describeDestination renders what counts of a real server.
func describeDestination(d *ipvs.Destination) string {
	text := forwardingName(d.Forwarding) + " weight " + strconv.Itoa(int(d.Weight))
	if d.UpperThreshold != 0 || d.LowerThreshold != 0 {
		text += fmt.Sprintf(" thresholds %d/%d", d.UpperThreshold, d.LowerThreshold)
	}
	return text
}

// forwardingName is the forwarding method as ipvsadm -L lists it.
func forwardingName(f ipvs.Forwarding) string {
	switch f {
	case ipvs.DirectRoute:
		return "route"
	case ipvs.Masquerade:
		return "masq"
	case ipvs.Tunnel:
		return "tunnel"
	case ipvs.LocalNode:
		return "local"
	}
	return "forwarding method " + strconv.Itoa(int(f))
}
