package cluster

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxWeight is that of ipvsadm(8).
	maxWeight = math.MaxUint16
	// maxSeconds is what every kernel takes as a timeout: ip_vs_set_timeout in
	// net/netfilter/ipvs/ip_vs_ctl.c refuses more than INT_MAX/HZ, and HZ is at
	// most 1000. A longer persistence would overflow its jiffies likewise.
	maxSeconds = math.MaxInt32 / 1000
	// maxErrors is how many errors are told one by one.
	maxErrors = 20
	// maxInterfaceName is IFNAMSIZ-1 (include/uapi/linux/if.h).
	maxInterfaceName = 15
)

// Validate tells whether c makes sense for a role, "" for what holds for every
// role. It returns every error found, each a [*ConfigError], joined: [errors.As]
// finds the first.
func (c Config) Validate(role string) error {
	var v validation
	v.cluster(c)
	v.directors(c)
	v.sync(c)
	v.vrrp(c)
	v.notify(c)
	claimed := make(map[claim_]portPlace, c.ports())
	vips, lans := c.vipPlaces(), map[netip.Addr]string{}
	for i, s := range c.Services {
		sv := serviceValidation{&v, i, s}
		sv.vip()
		sv.onLAN(lans)
		sv.ports(claimed)
		sv.scheduling()
		sv.persistence()
		sv.realServers(vips)
		sv.watching(c, vips)
		if role == DirectorRole && len(s.RealServers) == 0 {
			sv.add("realServers", "", "a director needs at least one real server for each service")
		}
	}
	return v.err()
}

// vipPlaces maps each VIP to the first path that has it.
func (c Config) vipPlaces() map[netip.Addr]string {
	places := map[netip.Addr]string{}
	for i, s := range c.Services {
		if _, ok := places[s.VIP]; !ok {
			places[s.VIP] = fmt.Sprintf("services[%d].vip", i)
		}
	}
	return places
}

// validation collects errors in the order of the configuration.
type validation struct {
	errs []error
	more int
}

func (v *validation) add(path, text, reason string) {
	if len(v.errs) == maxErrors {
		v.more++
		return
	}
	v.errs = append(v.errs, &ConfigError{Path: path, Text: short(text), Reason: reason})
}

func (v *validation) err() error {
	if v.more > 0 {
		return errors.Join(append(slices.Clone(v.errs), fmt.Errorf("and %d more errors", v.more))...)
	}
	return errors.Join(v.errs...)
}

// cluster checks what is not part of a service.
func (v *validation) cluster(c Config) {
	if reason := wrongInterface(c.Interface); reason != "" {
		v.add("interface", c.Interface, reason)
	}
	for i, name := range c.ARPInterfaces {
		path := fmt.Sprintf("arpInterfaces[%d]", i)
		switch {
		case name == "" || name == "lo" || name == "all" || name == "default":
			v.add(path, name, "the name of a LAN interface is wanted, such as eth0; without any, all are silent")
		case slices.Contains(c.ARPInterfaces[:i], name):
			v.add(path, name, "it is there twice")
		case wrongInterface(name) != "":
			v.add(path, name, wrongInterface(name))
		}
	}
	if len(c.Services) == 0 {
		v.add("services", "", "at least one service is needed: a vip, its ports and, for a director, its realServers")
	}
	for _, t := range []struct {
		path string
		d    Duration
	}{
		{"timeouts.tcp", c.Timeouts.TCP},
		{"timeouts.tcpFin", c.Timeouts.TCPFin},
		{"timeouts.udp", c.Timeouts.UDP},
	} {
		if reason := wrongSeconds(t.d); reason != "" {
			v.add(t.path, t.d.String(), reason)
		}
	}
	if n := c.Tuning.ConnTabBits; n != 0 && (n < 8 || n > 20) {
		v.add("tuning.connTabBits", strconv.Itoa(n), "8 to 20 are wanted, 2^n rows: a kernel that does not know the number takes its own, and older ones know no more (ip_vs_conn_init)")
	}
	if reason := wrongEngine(c.Engine); reason != "" {
		v.add("engine", c.Engine, reason)
	}
	if reason := wrongFirewall(c); reason != "" {
		v.add("firewall", c.Firewall, reason)
	}
	if c.Drain != nil && *c.Drain < 0 {
		v.add("drain", c.Drain.String(), "a duration cannot be negative; 0s takes a removed real server out at once")
	}
}

// wrongInterface follows the kernel's dev_valid_name (net/core/dev.c).
func wrongInterface(name string) string {
	switch {
	case name == "":
		return ""
	case name == "lo":
		return "the LAN interface is wanted: on lo the VIP would not be announced to the LAN"
	case strings.Contains(name, ":"):
		return "an interface without a label is wanted: lvsdr adds the label :0 itself"
	case len(name) > maxInterfaceName || name == "." || name == ".." ||
		strings.ContainsAny(name, "/ \t\n\v\f\r\x00") || strings.IndexByte(name, 0xa0) >= 0: // isspace() of the kernel
		return "an interface name has at most 15 characters, no / and no blanks, such as eth0"
	}
	return ""
}

// wrongSeconds tells what is wrong with a duration that the kernel counts in
// seconds.
func wrongSeconds(d Duration) string {
	switch {
	case d < 0:
		return "a duration cannot be negative"
	case time.Duration(d)%time.Second != 0:
		return "the kernel counts whole seconds: 1s, 20s, 5m"
	case time.Duration(d)/time.Second > maxSeconds:
		return "the kernel takes at most " + strconv.Itoa(maxSeconds) + "s"
	}
	return ""
}

// wrongAddress tells what is wrong with an address of one host on a LAN.
func wrongAddress(a netip.Addr) string {
	switch {
	case a.Is4In6():
		return "an IPv4 address is written as such: " + a.Unmap().String()
	case a.Zone() != "":
		return "an address without a zone is wanted: " + a.WithZone("").String()
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0:
		return "the address of one host is wanted, not the unspecified one"
	case a.IsLoopback():
		return "an address on the LAN is wanted, not a loopback address"
	case a.IsMulticast():
		return "the address of one host is wanted, not a multicast group"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the address of one host is wanted, not the broadcast address"
	case a.Is6() && a.IsLinkLocalUnicast():
		return "a global or unique local address is wanted: IPVS knows no zone for a link-local one"
	}
	return ""
}
