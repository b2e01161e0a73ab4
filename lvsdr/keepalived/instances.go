package keepalived

import (
	"net/netip"
	"strconv"
	"time"
)

// An Instance is a vrrp_instance as others hear it.
type Instance struct {
	Directive
	Interface string       // empty where none is written
	Source    netip.Addr   // unicast_src_ip, or mcast_src_ip; invalid: the interface's own
	Peers     []netip.Addr // of unicast_peer; none: it speaks to all by multicast
	IPv6      bool         // its VIPs are, and so are its advertisements

	RouterID  int           // 0 where none that can be read is written
	Version   int           // of the protocol, 2 or 3; 0 where keepalived makes up its mind
	Interval  time.Duration // of the advertisements
	Password  string        // in clear text, as it is sent; version 3 sends none
	Addresses []netip.Addr  // that it advertises: the virtual_ipaddress

	// Undisturbed: what others advertise does not have a master put its own advertisements
	// off (lower_prio_no_advert).
	Undisturbed bool
}

// Instances are the vrrp_instances of the configuration.
func (c Config) Instances() []Instance {
	var all []Instance
	for _, d := range c.Directives {
		if d.Keyword() == "vrrp_instance" {
			i := instanceOf(d)
			i.Version = c.versionOf(i)
			i.Undisturbed = c.undisturbed(i)
			if i.Version != 2 {
				i.Password = ""
			}
			all = append(all, i)
		}
	}
	return all
}

// undisturbed is what the instance says of it, else what all do. strict_mode brings it,
// too.
func (c Config) undisturbed(i Instance) bool {
	own, strict := find(i.Directive, "lower_prio_no_advert"), find(i.Directive, "strict_mode")
	if own.Words != nil {
		return isSet(own)
	}
	if strict.Words != nil && isSet(strict) {
		return true
	}
	for _, d := range c.Directives {
		if d.Keyword() != "global_defs" {
			continue
		}
		for _, in := range d.Block {
			if in.Keyword() == "vrrp_lower_prio_no_advert" && isSet(in) || in.Keyword() == "vrrp_strict" && isSet(in) && strict.Words == nil {
				return true
			}
		}
	}
	return false
}

// versionOf is the version of VRRP that an instance speaks: its own, that of all, or 2.
// What IPv6 and parts of a second need, version 2 has not.
func (c Config) versionOf(i Instance) int {
	version := find(i.Directive, "version").arg()
	for _, d := range c.Directives {
		if version == "" && d.Keyword() == "global_defs" {
			version = find(d, "vrrp_version").arg()
		}
	}
	switch {
	case i.IPv6 || version == "3":
		return 3
	case i.Interval%time.Second != 0:
		return 0
	}
	return 2
}

func instanceOf(d Directive) Instance {
	i := Instance{Directive: d, Interface: find(d, "interface").arg(), IPv6: find(d, "native_ipv6").Words != nil, Interval: time.Second}
	i.RouterID, _ = strconv.Atoi(find(d, "virtual_router_id").arg())
	if n := numberOf(find(d, "advert_int").arg()); n > 0 {
		i.Interval = time.Duration(n * float64(time.Second)).Round(10 * time.Millisecond)
	}
	i.Password = find(find(d, "authentication"), "auth_pass").arg()
	i.Password = i.Password[:min(len(i.Password), maxPassword)]
	for _, in := range d.Block {
		switch in.Keyword() {
		case "unicast_src_ip", "mcast_src_ip":
			i.Source, _ = netip.ParseAddr(in.arg())
		case "unicast_peer":
			for _, p := range in.Block {
				if a, err := netip.ParseAddr(p.Keyword()); err == nil {
					i.Peers = append(i.Peers, a)
				}
			}
		case "virtual_ipaddress":
			for _, v := range in.Block {
				a := addresses(v.Keyword())
				i.IPv6 = i.IPv6 || len(a) > 0 && a[0].Is6()
				if p, err := netip.ParsePrefix(v.Keyword()); err == nil {
					a = []netip.Addr{p.Addr()}
				}
				i.Addresses = append(i.Addresses, a...)
			}
		}
	}
	return i
}
