package cluster

import (
	"fmt"
	"net/netip"
	"strconv"
)

// maxPriority is what a VRRP router that does not own the address may have; 0 gives
// the address up and 255 is its owner's (RFC 5798 section 5.2.4).
const maxPriority = 254

// directors checks the list of directors.
func (v *validation) directors(c Config) {
	vips, before := c.vipPlaces(), map[netip.Addr]int{}
	servers := map[netip.Addr]bool{}
	for _, rip := range append(c.RIPs(), c.SorryServers()...) {
		servers[rip] = true
	}
	for i, d := range c.Directors {
		key := fmt.Sprintf("directors[%d].", i)
		at, known := before[d.Address]
		address := ""
		if d.Address.IsValid() {
			address, before[d.Address] = d.Address.String(), i
		}
		switch wrong := wrongAddress(d.Address); {
		case address == "":
			v.add(key+"address", "", "a director needs its address, such as 10.10.10.30")
		case wrong != "":
			v.add(key+"address", address, wrong)
		case known:
			v.add(key+"address", address, fmt.Sprintf("a director is listed once, and this one is directors[%d] already", at))
		case vips[d.Address] != "":
			v.add(key+"address", address, "the VIP of "+vips[d.Address]+" cannot be a director: its own address on the LAN (the DIP) is wanted")
		case servers[d.Address]:
			v.add(key+"address", address, "is a real server too: a director that is its own real server is not supported")
		}
		if p := d.priority(); p < 1 || p > maxPriority {
			v.add(key+"priority", strconv.Itoa(p), "a priority is 1 to 254, the highest is the director")
		}
	}
}

func (d Director) priority() int {
	if d.Priority == nil {
		return DefaultPriority
	}
	return *d.Priority
}
