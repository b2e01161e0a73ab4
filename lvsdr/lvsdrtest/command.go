package lvsdrtest

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// This file writes things the way ip, sysctl, ipvsadm and a shell would be told
// them. [World.Dump] and [Recorder.Log] are made of it; parse.go reads it.

// scopes are the names that ip(8) has for address scopes (rtnetlink(7)).
var scopes = map[string]uint8{"global": 0, "link": 253, "host": 254}

// usualScope is the scope that ip(8) or, in IPv6, the kernel gives an address.
func usualScope(addr netip.Addr) uint8 {
	switch {
	case addr.IsLoopback():
		return scopes["host"]
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return scopes["link"]
	}
	return scopes["global"]
}

// addressText is an address as "ip addr add" takes it, what is usual left out.
func addressText(a lvsdr.Address) string {
	var b strings.Builder
	b.WriteString(a.Prefix.String() + " dev " + a.Link)
	add := func(there bool, text string) {
		if there {
			b.WriteString(" " + text)
		}
	}
	add(a.Label != "" && a.Label != a.Link, "label "+a.Label)
	for name, scope := range scopes {
		add(a.Scope == scope && scope != usualScope(a.Prefix.Addr()), "scope "+name)
	}
	add(a.Peer.IsValid(), "peer "+a.Peer.String())
	add(a.Broadcast.IsValid(), "brd "+a.Broadcast.String())
	add(a.Metric != 0, fmt.Sprintf("metric %d", a.Metric))
	add(a.Protocol != 0, fmt.Sprintf("proto %d", a.Protocol))
	add(a.NoPrefixRoute, "noprefixroute")
	add(a.NoDAD, "nodad")
	add(a.Lifetime != 0, fmt.Sprintf("valid_lft %d", int(a.Lifetime.Seconds())))
	add(a.Deprecated, "preferred_lft 0")
	return b.String()
}

// sysctlText is a key and value as "sysctl -w" takes them. A key keeps its
// slashes where a dot would be ambiguous.
func sysctlText(key, value string) string {
	if !strings.Contains(key, ".") {
		key = strings.ReplaceAll(key, "/", ".")
	}
	if strings.ContainsAny(value, " \t") {
		value = strconv.Quote(strings.Join(strings.Fields(value), " "))
	}
	return key + "=" + value
}

// timeoutsText is what stands behind "ipvsadm --set".
func timeoutsText(t ipvs.Timeouts) string {
	return fmt.Sprintf("%d %d %d", int(t.TCP.Seconds()), int(t.TCPFin.Seconds()), int(t.UDP.Seconds()))
}

// idText names a service as ipvsadm does: "-t 10.10.10.22:80", "-f 7 -6".
func idText(id ipvs.ID) string {
	switch {
	case id.FWMark != 0 && id.Addr.Is6():
		return fmt.Sprintf("-f %d -6", id.FWMark)
	case id.FWMark != 0:
		return fmt.Sprintf("-f %d", id.FWMark)
	}
	address := netip.AddrPortFrom(id.Addr, id.Port).String()
	switch id.Protocol {
	case ipvs.UDP:
		return "-u " + address
	case ipvs.SCTP:
		return "--sctp-service " + address
	}
	return "-t " + address
}

// serviceText is a service as "ipvsadm -S -n" writes it, behind -A (measured
// with ipvsadm 1.31).
func serviceText(s ipvs.Service) string {
	var b strings.Builder
	b.WriteString(idText(s.ID) + " -s " + s.Scheduler)
	if s.Flags&ipvs.Persistent != 0 {
		fmt.Fprintf(&b, " -p %d", int(s.Persistence.Seconds()))
		if mask := netmaskText(s); mask != "" {
			b.WriteString(" -M " + mask)
		}
		if s.PE != "" {
			b.WriteString(" --pe " + s.PE)
		}
	}
	if s.Flags&ipvs.OnePacket != 0 {
		b.WriteString(" -o")
	}
	if flags := schedulerFlags(s.Scheduler, s.Flags); len(flags) > 0 {
		b.WriteString(" -b " + strings.Join(flags, ","))
	}
	return b.String()
}

func netmaskText(s ipvs.Service) string {
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

// schedulerFlagNames are the names of ipvsadm -b; any other scheduler's flags are
// flag-1 to flag-3.
var schedulerFlagNames = map[string][]string{
	"sh": {"sh-fallback", "sh-port"},
	"mh": {"mh-fallback", "mh-port"},
}

func schedulerFlags(scheduler string, f ipvs.Flags) []string {
	var names []string
	for i, flag := range []ipvs.Flags{ipvs.Sched1, ipvs.Sched2, ipvs.Sched3} {
		if f&flag == 0 {
			continue
		}
		if known := schedulerFlagNames[scheduler]; i < len(known) {
			names = append(names, known[i])
			continue
		}
		names = append(names, fmt.Sprintf("flag-%d", i+1))
	}
	return names
}

// destinationText is a real server as "ipvsadm -S -n" writes it, behind -a, and
// with the thresholds that ipvsadm leaves out there.
func destinationText(id ipvs.ID, d ipvs.Destination) string {
	text := fmt.Sprintf("%s -r %s %s -w %d", idText(id), netip.AddrPortFrom(d.Addr, d.Port),
		forwardingText(d.Forwarding), d.Weight)
	if d.UpperThreshold != 0 {
		text += fmt.Sprintf(" -x %d", d.UpperThreshold)
	}
	if d.LowerThreshold != 0 {
		text += fmt.Sprintf(" -y %d", d.LowerThreshold)
	}
	return text
}

func forwardingText(f ipvs.Forwarding) string {
	switch f {
	case ipvs.Masquerade:
		return "-m"
	case ipvs.Tunnel:
		return "-i"
	}
	return "-g" // ipvsadm prints the kernel's LocalNode so, too
}

// ipvsText is one command of a batch.
func ipvsText(c ipvs.Command) string {
	id := c.Service.ID
	switch c.Op {
	case ipvs.AddService:
		return "ipvsadm -A " + serviceText(*c.Service)
	case ipvs.SetService:
		return "ipvsadm -E " + serviceText(*c.Service)
	case ipvs.RemoveService:
		return "ipvsadm -D " + idText(id)
	case ipvs.AddDestination:
		return "ipvsadm -a " + destinationText(id, *c.Destination)
	case ipvs.SetDestination:
		return "ipvsadm -e " + destinationText(id, *c.Destination)
	case ipvs.RemoveDestination:
		return "ipvsadm -d " + idText(id) + " -r " + netip.AddrPortFrom(c.Destination.Addr, c.Destination.Port).String()
	}
	return fmt.Sprintf("ipvsadm ?%d", c.Op)
}

// fileText writes a file as the shell commands that make it.
func fileText(name string, data []byte, perm fs.FileMode) string {
	var b strings.Builder
	if text := string(data); text == "" || strings.HasSuffix(text, "\n") {
		b.WriteString("cat >" + name + " <<'EOF'\n" + text + "EOF")
	} else {
		b.WriteString("cat >" + name + " <<'EOF' # no newline at the end\n" + text + "\nEOF")
	}
	if perm != 0o644 {
		fmt.Fprintf(&b, "\nchmod %#o %s", perm, name)
	}
	return b.String()
}
