package lvsdrtest

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Dump writes the whole state as commands, always in the same order: interfaces
// and addresses, routes, modules, sysctls that are not at the kernel's default,
// the IPVS table, firewalls, files, and what only the doctor looks at. Two worlds
// with the same Dump are the same but for the rules of [World.SetRules], and
// [World.Run] of a Dump in an empty world makes that world.
func (w *World) Dump() string {
	var b strings.Builder
	_ = w.do(func(s *state) error {
		for _, part := range []func() []string{
			s.dumpLinks, s.dumpAddresses, s.dumpRoutes, s.dumpModules, s.dumpSysctls, s.dumpIPVS, s.dumpDaemons, s.dumpFirewalls, s.dumpFiles, s.dumpKeepalived, s.dumpVRRP,
			s.dumpNeighbours, s.dumpARPDropped, s.dumpListeners, s.dumpProcesses, s.dumpConnections, s.dumpEstablished, s.dumpLAN,
		} {
			for _, line := range part() {
				b.WriteString(line + "\n")
			}
		}
		return nil
	})
	return b.String()
}

func (s *state) dumpLinks() []string {
	var lines []string
	for _, l := range s.links {
		if !l.Loopback {
			lines = append(lines, linkText(l))
		}
		if l.NoARP && l.Kind != "dummy" {
			lines = append(lines, "ip link set "+l.Name+" arp off")
		}
		if l.Master != "" {
			lines = append(lines, "ip link set "+l.Name+" master "+l.Master)
		}
		if !l.Carrier {
			lines = append(lines, "ip link set "+l.Name+" carrier off")
		}
		if !l.Loopback && l.MTU != 1500 {
			lines = append(lines, fmt.Sprintf("ip link set %s mtu %d", l.Name, l.MTU))
		}
		if l.LRO {
			lines = append(lines, "ip link set "+l.Name+" lro on")
		}
		if l.Up {
			lines = append(lines, "ip link set "+l.Name+" up")
		}
	}
	return lines
}

func linkText(l host.Link) string {
	text := "ip link add " + l.Name
	if l.MAC != nil {
		text += " address " + l.MAC.String()
	}
	if l.Kind != "" {
		text += " type " + l.Kind
	}
	return text
}

// dumpAddresses sorts the addresses; secondaries stand behind the primaries and
// say so, because it makes a difference who was first.
func (s *state) dumpAddresses() []string {
	var lines []string
	secondaries := s.secondaries()
	for _, l := range s.links {
		var first, second []string
		for i, a := range s.addresses {
			switch {
			case a.Link != l.Name:
			case secondaries[i]:
				second = append(second, "ip addr add "+addressText(a)+" # secondary")
			default:
				first = append(first, "ip addr add "+addressText(a))
			}
		}
		slices.Sort(first)
		slices.Sort(second)
		lines = append(append(lines, first...), second...)
	}
	return lines
}

func (s *state) dumpRoutes() []string {
	var lines []string
	for _, r := range s.routes {
		lines = append(lines, "ip route add "+r.text())
	}
	slices.Sort(lines)
	return lines
}

// text is a route as "ip route" takes it.
func (r route) text() string {
	b := ""
	switch {
	case r.blackhole:
		b += "blackhole "
	case r.local:
		b += "local "
	}
	switch {
	case r.dst.Bits() == 0:
		b += "default"
	case r.dst.IsSingleIP():
		b += r.dst.Addr().String()
	default:
		b += r.dst.String()
	}
	if r.gateway.IsValid() {
		b += " via " + r.gateway.String()
	}
	if r.link != "" {
		b += " dev " + r.link
	}
	if r.source.IsValid() {
		b += " src " + r.source.String()
	}
	if r.protocol != "" {
		b += " proto " + r.protocol
	}
	if r.metric != 0 {
		b += fmt.Sprintf(" metric %d", r.metric)
	}
	if r.mtu != 0 {
		b += fmt.Sprintf(" mtu %d", r.mtu)
	}
	return b
}

func (s *state) dumpModules() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.modules)) {
		if s.modules[name] == loaded {
			lines = append(lines, "modprobe "+name)
		}
	}
	return lines
}

func (s *state) dumpSysctls() []string {
	var lines []string
	for _, key := range s.changedSysctls() {
		value := s.sysctls[key]
		if key == forwarding4 {
			key = ipForward
		}
		lines = append(lines, "sysctl -w "+sysctlText(key, value))
	}
	return lines
}

// dumpIPVS writes what "ipvsadm -S -n" does, sorted, and the timeouts.
func (s *state) dumpIPVS() []string {
	var lines []string
	if s.timeouts != defaultTimeouts {
		lines = append(lines, "ipvsadm --set "+timeoutsText(s.timeouts))
	}
	all := slices.Clone(s.services)
	slices.SortFunc(all, func(a, b service) int { return a.ID.Compare(b.ID) })
	for _, svc := range all {
		lines = append(lines, ipvs.Command{Op: ipvs.AddService, Service: &svc.Service}.Ipvsadm())
		sorted := slices.Clone(svc.destinations)
		slices.SortFunc(sorted, func(a, b ipvs.Destination) int {
			return netip.AddrPortFrom(a.Addr, a.Port).Compare(netip.AddrPortFrom(b.Addr, b.Port))
		})
		for _, d := range sorted {
			lines = append(lines, ipvs.Command{Op: ipvs.AddDestination, Service: &svc.Service, Destination: &d}.Ipvsadm())
			if text := counters(svc.ID, d); text != "" {
				lines = append(lines, text)
			}
		}
	}
	return lines
}

// dumpFiles writes the files and links with their contents, and the directories
// that are empty; an empty directory of a fresh world is not worth a line.
func (s *state) dumpFiles() []string {
	var lines []string
	fresh := state{nodes: map[string]node{}}
	fresh.makeDirectories()
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		n := s.nodes[name]
		_, usual := fresh.nodes[name]
		switch {
		case n.mode.IsRegular():
			lines = append(lines, fileText(name, []byte(n.data), n.mode))
		case n.mode&fs.ModeSymlink != 0:
			lines = append(lines, "ln -s "+n.target+" "+name)
		case !usual && len(s.children(path.Clean(name))) == 0:
			lines = append(lines, "mkdir -p "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fresh.nodes)) {
		if _, ok := s.nodes[name]; !ok {
			lines = append(lines, "rmdir "+name)
		}
	}
	return lines
}
