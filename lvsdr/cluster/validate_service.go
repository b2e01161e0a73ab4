package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// serviceValidation checks one service.
type serviceValidation struct {
	*validation
	index int
	s     Service
}

func (v serviceValidation) add(key, text, reason string) {
	v.validation.add(fmt.Sprintf("services[%d].%s", v.index, key), text, reason)
}

func (v serviceValidation) vip() {
	if !v.s.VIP.IsValid() {
		v.add("vip", "", "a service needs its vip, such as 10.10.10.22")
	} else if reason := wrongAddress(v.s.VIP); reason != "" {
		v.add("vip", v.s.VIP.String(), reason)
	}
}

// onLAN checks the interface. Names has those of the services before.
func (v serviceValidation) onLAN(names map[netip.Addr]string) {
	name := v.s.Interface
	if name == "" {
		return
	}
	if reason := wrongInterface(name); reason != "" {
		v.add("interface", name, reason)
	} else if before := names[v.s.VIP]; before != "" && before != name {
		v.add("interface", name, fmt.Sprintf("%s is on interface %s in a service before: a VIP is on one interface", v.s.VIP, before))
	} else {
		names[v.s.VIP] = name
	}
}

// ports checks the ports against each other and against those of the services
// before, which claimed holds.
func (v serviceValidation) ports(claimed map[claim_]portPlace) {
	for i, p := range v.s.AllPorts() {
		here := portPlace{v.index, i}
		if p.Protocol != TCP && p.Protocol != UDP && p.Protocol != SCTP {
			v.add(here.key(), p.String(), "the protocol must be tcp, udp or sctp")
			continue
		}
		if p.Number == 0 && v.s.Persistence == 0 {
			v.add(here.key(), p.String(), "port 0, every port, needs persistence: the kernel refuses it without")
		}
		opening := claim_{v.s.VIP, p}
		if before, ok := claimed[opening]; ok && v.s.VIP.IsValid() {
			v.add(here.key(), p.String(), fmt.Sprintf("%s port %d/%s is given before, in %s: a VIP has each port once",
				v.s.VIP, p.Number, p.Protocol, before))
			continue
		}
		claimed[opening] = here
	}
}

// A portPlace is where a port stands in the configuration.
type portPlace struct{ service, port int }

func (p portPlace) key() string { return fmt.Sprintf("ports[%d]", p.port) }

func (p portPlace) String() string { return fmt.Sprintf("services[%d].%s", p.service, p.key()) }

func (v serviceValidation) scheduling() {
	scheduler := v.s.scheduler()
	if !slices.Contains(ipvs.Schedulers(), scheduler) {
		v.add("scheduler", scheduler, "a scheduler of the kernel is wanted: "+oneOf(ipvs.Schedulers()))
	}
	for i, name := range v.s.SchedulerFlags {
		key := fmt.Sprintf("schedulerFlags[%d]", i)
		of, bit := ipvs.SchedulerFlag(name)
		switch {
		case bit == 0:
			v.add(key, name, "a scheduler's flag is wanted: "+whichFlags())
		case of != scheduler:
			v.add(key, name, fmt.Sprintf("the scheduler %s has no such flag: %s", shown(scheduler), whichFlags()))
		case slices.Contains(v.s.SchedulerFlags[:i], name):
			v.add(key, name, "a flag is given once")
		}
	}
	if !v.s.OnePacket {
		return
	}
	for _, p := range v.s.AllPorts() {
		if p.Protocol != UDP {
			v.add("onePacket", "true", fmt.Sprintf("only UDP has one-packet scheduling, and port %d/%s is not: "+
				"give it a service of its own", p.Number, p.Protocol))
			return
		}
	}
}

func (v serviceValidation) persistence() {
	if reason := wrongSeconds(v.s.Persistence); reason != "" {
		v.add("persistence", v.s.Persistence.String(), reason)
	}
	mask, bits := v.s.PersistenceNetmask, v.s.VIP.BitLen()
	if mask == 0 {
		return
	}
	text := strconv.Itoa(mask)
	if v.s.VIP.IsValid() && (mask < 0 || mask > bits) {
		v.add("persistenceNetmask", text, fmt.Sprintf("a prefix length from 1 to %d is wanted for an %s VIP", bits, family(v.s.VIP)))
	} else if v.s.Persistence == 0 {
		v.add("persistenceNetmask", text, "a netmask makes clients one for persistence: it needs persistence, such as 20s")
	}
}

func (v serviceValidation) realServers(vips map[netip.Addr]string) {
	before := make(map[netip.Addr]int, len(v.s.RealServers))
	for i, r := range v.s.RealServers {
		if key, text, reason := v.wrongRealServer(r, vips); reason != "" {
			v.add(fmt.Sprintf("realServers[%d].%s", i, key), text, reason)
		}
		if at, ok := before[r.Address]; ok && r.Address.IsValid() {
			v.add(fmt.Sprintf("realServers[%d].address", i), r.Address.String(),
				fmt.Sprintf("a service has each real server once, and this one is realServers[%d] already", at))
		} else {
			before[r.Address] = i
		}
	}
}

// wrongRealServer returns the first thing that is wrong with a real server.
func (v serviceValidation) wrongRealServer(r RealServer, vips map[netip.Addr]string) (key, text, reason string) {
	if !r.Address.IsValid() {
		return "address", "", "a real server needs its address, such as 10.10.10.31"
	}
	address := r.Address.String()
	if reason := wrongAddress(r.Address); reason != "" {
		return "address", address, reason
	}
	if at, ok := vips[r.Address]; ok {
		return "address", address, "the VIP of " + at + " cannot be a real server: its own address on the LAN is wanted"
	}
	if v.s.VIP.IsValid() && !v.s.VIP.Is4In6() && r.Address.Is4() != v.s.VIP.Is4() {
		return "address", address, fmt.Sprintf("an %s VIP needs %s real servers: direct routing rewrites no addresses",
			family(v.s.VIP), family(v.s.VIP))
	}
	if w := r.weight(); w < 0 || w > maxWeight {
		return "weight", strconv.Itoa(w), "a weight is 0 to 65535 (0 takes no new connections)"
	}
	if r.LowerThreshold > r.UpperThreshold {
		return "lowerThreshold", strconv.FormatUint(uint64(r.LowerThreshold), 10),
			"must not be above upperThreshold, which is " + strconv.FormatUint(uint64(r.UpperThreshold), 10)
	}
	return "", "", ""
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// A claim_ is a port of a VIP.
type claim_ struct {
	vip  netip.Addr
	port Port
}
